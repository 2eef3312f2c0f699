"""One project whose pipeline has run, and a store of each kind, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes import servers
from tests.remotes.project import Project, make_project, with_remote
from tests.remotes.stores import KINDS, Store, open_store


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without a remote; not to be changed."""
    return make_project(tmp_path_factory.mktemp("finished") / "project")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of remote; one that can't be tried here is skipped, and the reason told."""
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
    """The clone of who ran the pipeline, with a remote that is still empty."""
    return with_remote(finished, store, tmp_path / "worker")
