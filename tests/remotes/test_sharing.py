"""After a push with the run-cache, ``dvc repro --pull --allow-missing`` in a clone runs nothing."""

import hashlib
from pathlib import Path

from tests.remotes.project import RAW_DATA, Project
from tests.remotes.stores import Store


def test_fresh_clone_runs_nothing_and_downloads_only_what_is_requested(
    worker: Project, tmp_path: Path
) -> None:
    worker.run("dvc", "push", "--run-cache")
    clone = worker.clone(tmp_path / "clone")
    assert clone.pulled_repro() == set()
    assert clone.objects() == []
    clone.run("dvc", "pull", "models/first")
    assert len(clone.objects()) == 1
    assert (clone.root / "models/first").read_text() == (worker.root / "models/first").read_text()


def test_without_a_lock_only_stages_that_are_never_pushed_run(
    worker: Project, tmp_path: Path
) -> None:
    worker.run("dvc", "push", "--run-cache")
    clone = worker.without_lock(tmp_path / "clone")
    (clone.root / "placed").write_text(RAW_DATA)
    assert clone.pulled_repro() == {"fetch"}
    assert (clone.root / "dvc.lock").read_text() == (worker.root / "dvc.lock").read_text()


def test_results_pushed_before_the_lock_is_committed_are_found(
    worker: Project, tmp_path: Path
) -> None:
    worker.change("first", 0.5)
    worker.run("dvc", "repro")
    worker.run("dvc", "push", "--run-cache")
    worker.run("git", "commit", "--quiet", "--message=other rate", "params.json")
    clone = worker.clone(tmp_path / "clone")
    assert clone.pulled_repro() == set()
    assert (clone.root / "models/first").read_text() == (worker.root / "models/first").read_text()
    assert (clone.root / "dvc.lock").read_text() == (worker.root / "dvc.lock").read_text()


def test_everything_is_pushed_except_raw_data(worker: Project, store: Store) -> None:
    worker.run("dvc", "push", "--run-cache")
    raw = hashlib.md5(RAW_DATA.encode(), usedforsecurity=False).hexdigest()
    pushed = {name.removeprefix("files/md5/").replace("/", "") for name in store.names()}
    assert {*worker.objects()} - pushed == {raw}
    assert [name for name in store.names() if RAW_DATA.encode() in store.read(name)] == []
