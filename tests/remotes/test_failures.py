"""What goes wrong between clones and a remote: it is said, and running again mends it."""

import hashlib
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.remotes.project import FILES, PATIENCE, Project, set_secrets
from tests.remotes.stores import Store

PUSH = ("dvc", "push", "--run-cache")
OUTS = ("encoded", "models/first", "models/second")


def interrupted(worker: Project, store: Store, how: str) -> str:
    """Push one object after the other, and kill the push or stop the server amid it."""
    before = store.progress()
    with worker.start(*PUSH, "--jobs", "1") as push:
        deadline = time.monotonic() + PATIENCE
        while store.progress() < before + 8:
            assert push.poll() is None, "the push was over before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        if how == "kill":
            push.kill()
        else:
            store.stop()
        output, _ = push.communicate(timeout=PATIENCE)
    assert push.returncode != 0, output
    return output


def assert_complete(worker: Project, clone: Project) -> None:
    """All that was pushed is there for a clone of it, bit for bit, and nothing runs."""
    clone.run("dvc", "pull", *OUTS)
    files = [path for path in worker.root.glob("*/*") if path.parent.name in ("encoded", "models")]
    assert len(files) == FILES + 2
    for path in files:
        assert (clone.root / path.relative_to(worker.root)).read_bytes() == path.read_bytes()
    assert clone.pulled_repro() == set()


def test_a_killed_push_is_completed_by_the_next(
    worker: Project, store: Store, tmp_path: Path
) -> None:
    interrupted(worker, store, "kill")
    partly = set(store.names())
    worker.run(*PUSH)
    assert partly < set(store.names())
    assert_complete(worker, worker.clone(tmp_path / "clone"))


def test_a_remote_that_vanishes_amid_a_push_is_an_error_and_the_next_push_completes_it(
    worker: Project, store: Store, tmp_path: Path
) -> None:
    output = interrupted(worker, store, "stop")
    assert "ERROR" in output
    assert "Traceback" not in output
    store.start()
    worker.run(*PUSH)
    assert_complete(worker, worker.clone(tmp_path / "clone"))


def test_two_clones_that_push_at_once_lose_nothing(
    worker: Project, store: Store, tmp_path: Path
) -> None:
    clones = [worker.copy(tmp_path / name) for name in ("one", "two")]
    for clone, model in zip(clones, ("first", "second"), strict=True):
        clone.change(model, 0.7)
        clone.run("dvc", "repro")
        clone.commit("other rate")
    pushes = [clone.start(*PUSH) for clone in clones]
    outputs = [push.communicate(timeout=PATIENCE)[0] for push in pushes]
    assert [push.returncode for push in pushes] == [0, 0], outputs
    for clone in clones:
        assert_complete(clone, clone.clone(clone.root.with_name(f"{clone.root.name}-clone")))


@pytest.mark.parametrize("out", ["models/first", "encoded"])
def test_a_damaged_object_is_named_and_replaced_by_a_good_clone(
    worker: Project, store: Store, tmp_path: Path, out: str
) -> None:
    worker.run(*PUSH)
    name = object_of(worker, out)
    store.write(name, store.read(name)[:-1] + b"?")
    clone = worker.clone(tmp_path / "clone")
    told = clone.failure("dvc", "pull", "--verbose", *OUTS)
    assert re.search(rf"ERROR: .* following targets:\n{out}$", told, re.MULTILINE)
    assert re.search(rf"corrupted cache file '.*/{name}'", told)
    store.remove(name)
    for folder in [each for each in store.names() if each.endswith(".dir")]:
        store.remove(folder)
    worker.run(*PUSH)
    assert_complete(worker, clone)


def object_of(project: Project, out: str) -> str:
    """The name under which a store keeps an out, or the first file of an out that is a folder."""
    path = project.root / out
    file = min(path.iterdir()) if path.is_dir() else path
    digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    return f"files/md5/{digest[:2]}/{digest[2:]}"


@pytest.mark.parametrize("kind", ["ssh", "s3"], indirect=True)
def test_wrong_credentials_are_told_as_such(worker: Project, store: Store) -> None:
    told = {"ssh": "Permission denied for user", "s3": "Forbidden"}[store.kind]
    set_secrets(worker, store.wrong_secrets)
    assert told in worker.failure(*PUSH)
    shutil.rmtree(worker.root / ".dvc/cache")
    assert told in worker.failure("dvc", "pull", *OUTS)
    assert store.names() == []


def test_a_remote_that_is_not_there_is_told_as_such(worker: Project, store: Store) -> None:
    store.stop()
    told = {
        "directory": "Not a directory",
        "ssh": "Connect call failed",
        "s3": "Could not connect to the endpoint URL",
    }[store.kind]
    assert told in worker.failure(*PUSH)
    shutil.rmtree(worker.root / ".dvc/cache")
    assert told in worker.failure("dvc", "pull", *OUTS)
