"""A tiny pool on disk, and fused models that are trained from it and loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from emm.fusion.decompose import decompose
from emm.fusion.emm import EMM
from emm.fusion.pool import Pool, load_pool
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.train import train_fused
from emm.training.context import TrainingContext
from emm.training.settings import TrainingSettings
from emm.training.store import load_model
from tests.training.tiny import IDENTITY, fusion, make_context, train_members, training

CONTEXT = make_context()
ALIGNED = {"variant": "aligned", "embedding_dim": 2}
GATES = {**ALIGNED, "merge": False}
"""With frozen towers only gates learn, so that a model can learn on out-of-fold predictions."""


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pool: two networks and one tree ensemble for each of two tasks."""
    folder = tmp_path_factory.mktemp("fused")
    how = fusion("out-of-fold")
    decompose(folder / "pool", CONTEXT, *train_members(folder, CONTEXT, how), how, (0,))
    return folder / "pool"


@pytest.fixture
def tiny_pool(components: Path) -> Pool:
    """The pool in `components`."""
    return load_pool(components / "seed-0", IDENTITY)


def settings(**changes: Any) -> FusedSettings:
    return FusedSettings(**{"learning_rate": 0.01, "weight_decay": 0.0, **changes})


def train(
    out: Path,
    components: Path,
    how: FusedSettings,
    *,
    arguments: dict[str, Any] | None = None,
    protocol: TrainingSettings | None = None,
    rows: FusionSettings | None = None,
    context: TrainingContext = CONTEXT,
) -> tuple[EMM, dict[str, Any]]:
    """The stored fused model of seed 0, and its run in history.json."""
    train_fused(
        out,
        context,
        name="emm",
        components=components,
        training=protocol or training(),
        fusion=rows or fusion("train"),
        settings=how,
        arguments=arguments or ALIGNED,
    )
    model, _ = load_model(out / "seed-0", IDENTITY)
    assert isinstance(model, EMM)
    (run,) = json.loads((out / "history.json").read_text())["runs"]
    return model, run


def numbers(run: dict[str, Any]) -> list[int]:
    return [epoch["epoch"] for epoch in run["epochs"]]
