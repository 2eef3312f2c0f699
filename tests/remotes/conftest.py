"""A project whose pipeline has run, built once per session, and a store of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes import servers
from tests.remotes.project import Project, make_project, with_remote
from tests.remotes.stores import KINDS, Store, open_store


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without a remote. Read-only."""
    return make_project(tmp_path_factory.mktemp("finished") / "project")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of remote. A kind whose server isn't installed is skipped with the reason."""
    found = str(request.param)
    reason = servers.missing(found)
    if reason is not None:
        pytest.skip(reason)
    return found


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Iterator[Store]:
    with open_store(kind, tmp_path / "server") as opened:
        yield opened


@pytest.fixture
def worker(finished: Project, store: Store, tmp_path: Path) -> Project:
    """A clone in which the pipeline has run, with an empty remote."""
    return with_remote(finished, store, tmp_path / "worker")
