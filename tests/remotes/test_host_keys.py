"""Host keys of ssh remotes: DVC checks them only with the setting in docs/sharing.md."""

import pytest

from tests.remotes import servers, stores
from tests.remotes.project import Project
from tests.remotes.stores import HOST_KEY_SETTING, Store

pytestmark = pytest.mark.parametrize("kind", ["ssh"], indirect=True)
REFUSED = "Host key is not trusted for host 127.0.0.1"


@pytest.mark.parametrize("key", ["other_key", None])
def test_host_with_a_wrong_or_unknown_key_is_refused(
    worker: Project, store: Store, key: str | None
) -> None:
    home = store.folder.parent
    port = store.options["port"]
    stores.write_known_hosts(home, "" if key is None else servers.known_host(home, port, key))
    assert REFUSED in worker.failure("dvc", "push", "models/first")
    assert store.names() == []


def test_without_the_setting_any_host_key_is_accepted(worker: Project, store: Store) -> None:
    home = store.folder.parent
    stores.write_known_hosts(home, servers.known_host(home, store.options["port"], "other_key"))
    (home / HOST_KEY_SETTING).unlink()
    worker.run("dvc", "push", "models/first")
    assert len(store.names()) == 1
