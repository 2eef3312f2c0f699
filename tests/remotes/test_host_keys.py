"""Whom an ssh remote talks to: DVC asks nobody's key unless it is told to, as docs/sharing.md tells."""

import pytest

from tests.remotes import servers, stores
from tests.remotes.project import Project
from tests.remotes.stores import HOSTS_CHECKED, Store

pytestmark = pytest.mark.parametrize("kind", ["ssh"], indirect=True)
REFUSED = "Host key is not trusted for host 127.0.0.1"


@pytest.mark.parametrize("key", ["other_key", None])
def test_a_host_with_another_key_or_none_that_is_known_is_refused(
    worker: Project, store: Store, key: str | None
) -> None:
    home = store.folder.parent
    port = store.options["port"]
    stores.know(home, "" if key is None else servers.known_host(home, port, key))
    assert REFUSED in worker.failure("dvc", "push", "models/first")
    assert store.names() == []


def test_without_the_setting_any_host_is_believed(worker: Project, store: Store) -> None:
    home = store.folder.parent
    stores.know(home, servers.known_host(home, store.options["port"], "other_key"))
    (home / HOSTS_CHECKED).unlink()
    worker.run("dvc", "push", "models/first")
    assert len(store.names()) == 1
