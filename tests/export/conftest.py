import logging
from pathlib import Path

import pytest

from emm.export.bundle import Exported, write_bundle
from emm.export.row import Row
from tests.export.mall import mall

# Under pytest, torch writes thousands of lines for each network that it traces.
logging.getLogger("torch.__trace").setLevel(logging.ERROR)


@pytest.fixture(scope="session")
def row(tmp_path_factory: pytest.TempPathFactory) -> Row:
    """A trained model of a project with columns and tasks of every kind."""
    return mall(tmp_path_factory.mktemp("mall"))


@pytest.fixture(scope="session")
def written(row: Row, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exported]:
    """Its export, and what is said of it."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("bundle")
    return folder, write_bundle(folder, row)


@pytest.fixture(scope="session")
def bundle(written: tuple[Path, Exported]) -> Path:
    """Its export; tests that change it copy it first."""
    return written[0]
