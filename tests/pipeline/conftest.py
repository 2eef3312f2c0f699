"""Repositories before and after a `dvc repro`, built once; each test changes its own copy."""

from pathlib import Path

import pytest

from tests.pipeline.workspace import Workspace, make_workspace


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository before its first run. Read-only."""
    return make_workspace(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def first_run(
    fresh: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, set[str]]:
    """A repository after its first `dvc repro`, and the stages that ran. Read-only."""
    workspace = fresh.copy(tmp_path_factory.mktemp("done") / "project")
    ran = workspace.repro()
    workspace.run("git", "add", "--all")
    workspace.run("git", "commit", "--quiet", "--message=first results")
    return workspace, ran


@pytest.fixture
def done(first_run: tuple[Workspace, set[str]], tmp_path: Path) -> Workspace:
    """A copy of the repository after its first run, which the test may change."""
    return first_run[0].copy(tmp_path / "project")


@pytest.fixture
def untouched(fresh: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the repository before its first run, which the test may change."""
    return fresh.copy(tmp_path / "project")
