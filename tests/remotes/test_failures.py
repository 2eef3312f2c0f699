"""Failures between clones and a remote are reported, and a second run repairs them."""

import hashlib
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.remotes.project import FILES, TIMEOUT, Project, set_secrets
from tests.remotes.stores import Store

PUSH = ("dvc", "push", "--run-cache")
OUTS = ("encoded", "models/first", "models/second")


def interrupted(worker: Project, store: Store, how: str) -> str:
    """Push objects one by one, and kill the push or stop the server halfway."""
    before = store.progress()
    with worker.start(*PUSH, "--jobs", "1") as push:
        deadline = time.monotonic() + TIMEOUT
        while store.progress() < before + 8:
            assert push.poll() is None, "the push ended before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        if how == "kill":
            push.kill()
        else:
            store.stop()
        output, _ = push.communicate(timeout=TIMEOUT)
    assert push.returncode != 0, output
    return output


def assert_complete(worker: Project, clone: Project) -> None:
    """Check that a clone can pull all data unchanged and has no stage to run."""
    clone.run("dvc", "pull", *OUTS)
    files = [path for path in worker.root.glob("*/*") if path.parent.name in ("encoded", "models")]
    assert len(files) == FILES + 2
    for path in files:
        assert (clone.root / path.relative_to(worker.root)).read_bytes() == path.read_bytes()
    assert clone.pulled_repro() == set()


def test_killed_push_is_completed_by_the_next(
    worker: Project, store: Store, tmp_path: Path
) -> None:
    interrupted(worker, store, "kill")
    partial = set(store.names())
    worker.run(*PUSH)
    assert partial < set(store.names())
    assert_complete(worker, worker.clone(tmp_path / "clone"))


def test_push_fails_if_the_remote_vanishes_and_is_completed_by_the_next(
    worker: Project, store: Store, tmp_path: Path
) -> None:
    output = interrupted(worker, store, "stop")
    assert "ERROR" in output
    assert "Traceback" not in output
    store.start()
    worker.run(*PUSH)
    assert_complete(worker, worker.clone(tmp_path / "clone"))


def test_concurrent_pushes_of_two_clones_are_both_complete(
    worker: Project, store: Store, tmp_path: Path
) -> None:
    clones = [worker.copy(tmp_path / name) for name in ("one", "two")]
    for clone, model in zip(clones, ("first", "second"), strict=True):
        clone.change(model, 0.7)
        clone.run("dvc", "repro")
        clone.commit("other rate")
    pushes = [clone.start(*PUSH) for clone in clones]
    outputs = [push.communicate(timeout=TIMEOUT)[0] for push in pushes]
    assert [push.returncode for push in pushes] == [0, 0], outputs
    for clone in clones:
        assert_complete(clone, clone.clone(clone.root.with_name(f"{clone.root.name}-clone")))


@pytest.mark.parametrize("out", ["models/first", "encoded"])
def test_damaged_object_is_named_and_replaced_by_an_intact_clone(
    worker: Project, store: Store, tmp_path: Path, out: str
) -> None:
    worker.run(*PUSH)
    name = object_of(worker, out)
    store.write(name, store.read(name)[:-1] + b"?")
    clone = worker.clone(tmp_path / "clone")
    output = clone.failure("dvc", "pull", "--verbose", *OUTS)
    assert re.search(rf"ERROR: .* following targets:\n{out}$", output, re.MULTILINE)
    assert re.search(rf"corrupted cache file '.*/{name}'", output)
    store.remove(name)
    for folder in [each for each in store.names() if each.endswith(".dir")]:
        store.remove(folder)
    worker.run(*PUSH)
    assert_complete(worker, clone)


def object_of(project: Project, out: str) -> str:
    """Name of an out in the store, or of the first file if the out is a folder."""
    path = project.root / out
    file = min(path.iterdir()) if path.is_dir() else path
    digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    return f"files/md5/{digest[:2]}/{digest[2:]}"


@pytest.mark.parametrize("kind", ["ssh", "s3"], indirect=True)
def test_wrong_credentials_are_reported(worker: Project, store: Store) -> None:
    message = {"ssh": "Permission denied for user", "s3": "Forbidden"}[store.kind]
    set_secrets(worker, store.wrong_secrets)
    assert message in worker.failure(*PUSH)
    shutil.rmtree(worker.root / ".dvc/cache")
    assert message in worker.failure("dvc", "pull", *OUTS)
    assert store.names() == []


def test_unreachable_remote_is_reported(worker: Project, store: Store) -> None:
    store.stop()
    message = {
        "directory": "Not a directory",
        "ssh": "Connect call failed",
        "s3": "Could not connect to the endpoint URL",
    }[store.kind]
    assert message in worker.failure(*PUSH)
    shutil.rmtree(worker.root / ".dvc/cache")
    assert message in worker.failure("dvc", "pull", *OUTS)
