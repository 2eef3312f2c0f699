"""A tiny pool on disk, as the fused rows' training reads it."""

from pathlib import Path

import pytest

from emm.fusion.decompose import decompose
from emm.fusion.pool import Pool, load_pool
from tests.fusion.fusing import CONTEXT
from tests.training.tiny import IDENTITY, fusion, train_members


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pool of seed 0: two networks and a tree ensemble for each of two tasks."""
    folder = tmp_path_factory.mktemp("fused")
    how = fusion("out-of-fold")
    decompose(folder / "pool", CONTEXT, *train_members(folder, CONTEXT, how), how, (0,))
    return folder / "pool"


@pytest.fixture
def pool(components: Path) -> Pool:
    return load_pool(components / "seed-0", IDENTITY)
