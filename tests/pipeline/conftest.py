"""One finished `dvc repro` that the tests copy and change."""

from pathlib import Path

import pytest

from tests.pipeline.workspace import Workspace, make_workspace


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository in which nothing ran yet; not to be changed."""
    return make_workspace(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def first_run(
    fresh: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, set[str]]:
    """A repository after its first `dvc repro`, and the stages that ran; not to be changed."""
    workspace = fresh.copy(tmp_path_factory.mktemp("done") / "project")
    ran = workspace.repro()
    workspace.run("git", "add", "--all")
    workspace.run("git", "commit", "--quiet", "--message=first results")
    return workspace, ran


@pytest.fixture
def done(first_run: tuple[Workspace, set[str]], tmp_path: Path) -> Workspace:
    """A copy of the finished repository, to be changed."""
    return first_run[0].copy(tmp_path / "project")


@pytest.fixture
def untouched(fresh: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the repository in which nothing ran, to be changed."""
    return fresh.copy(tmp_path / "project")
