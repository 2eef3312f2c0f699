"""Push with the run-cache, and ``dvc repro --pull --allow-missing``: who pulls runs nothing."""

import hashlib
from pathlib import Path

from tests.remotes.project import OWN, Project
from tests.remotes.stores import Store


def test_a_fresh_clone_runs_nothing_and_downloads_what_is_asked_for(
    worker: Project, tmp_path: Path
) -> None:
    worker.run("dvc", "push", "--run-cache")
    clone = worker.clone(tmp_path / "clone")
    assert clone.pulled_repro() == set()
    assert clone.objects() == []
    clone.run("dvc", "pull", "models/first")
    assert len(clone.objects()) == 1
    assert (clone.root / "models/first").read_text() == (worker.root / "models/first").read_text()


def test_without_a_lock_only_what_is_never_pushed_runs(worker: Project, tmp_path: Path) -> None:
    worker.run("dvc", "push", "--run-cache")
    clone = worker.without_lock(tmp_path / "clone")
    (clone.root / "placed").write_text(OWN)
    assert clone.pulled_repro() == {"fetch"}
    assert (clone.root / "dvc.lock").read_text() == (worker.root / "dvc.lock").read_text()


def test_a_branch_whose_results_are_not_in_its_lock_yet_runs_nothing(
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


def test_raw_data_stays_and_all_else_is_pushed(worker: Project, store: Store) -> None:
    worker.run("dvc", "push", "--run-cache")
    kept = hashlib.md5(OWN.encode(), usedforsecurity=False).hexdigest()
    pushed = {name.removeprefix("files/md5/").replace("/", "") for name in store.names()}
    assert {*worker.objects()} - pushed == {kept}
    assert [name for name in store.names() if OWN.encode() in store.read(name)] == []
