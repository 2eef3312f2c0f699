"""Projects for outside models: one without kept raw columns, and one with some."""

import shutil
from pathlib import Path

import pytest

from tests.pool.census_project import make_project


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("census")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        make_project(root)
    return root


@pytest.fixture
def project(_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a preprocessed project, as the current folder."""
    shutil.copytree(_made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
