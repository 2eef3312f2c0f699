"""Clones of the real pipeline with a directory as the remote."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.configuration import CENSUS, ROOT, Tree
from tests.pipeline.test_repro import emm_learning_rate
from tests.pipeline.workspace import DATA, PAPER, Workspace

pytestmark = pytest.mark.slow

PULL = ("--pull", "--allow-missing")


@pytest.fixture(scope="module")
def shared(
    first_run: tuple[Workspace, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A repository that has pushed its results. Read-only."""
    folder = tmp_path_factory.mktemp("shared")
    workspace = first_run[0].copy(folder / "worker")
    workspace.run("dvc", "remote", "add", "--default", "results", str(folder / "remote"))
    workspace.run("dvc", "remote", "modify", "results", "verify", "true")
    workspace.run("git", "commit", "--quiet", "--all", "--message=remote")
    workspace.run("dvc", "push", "--run-cache")
    return workspace


def clone_of(workspace: Workspace, root: Path) -> Workspace:
    workspace.run("git", "clone", "--quiet", str(workspace.root), str(root))
    return Workspace(root)


def hashes(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in folder.glob("files/md5/??/*")}


def test_fresh_clone_runs_nothing_and_downloads_only_what_is_requested(
    shared: Workspace, tmp_path: Path
) -> None:
    clone = clone_of(shared, tmp_path / "clone")
    assert clone.repro(*PULL) == set()
    assert hashes(clone.root / ".dvc/cache") == set()
    clone.run("dvc", "pull", f"data/models/{CENSUS}/paper/emm")
    assert (clone.root / f"data/models/{CENSUS}/paper/emm/seed-0/model.json").exists()
    assert not (clone.root / "data/processed").exists()


def test_raw_files_and_rejected_lines_are_never_pushed(shared: Workspace) -> None:
    raw = [path for path in (shared.root / "data/raw" / CENSUS).iterdir() if path.is_file()]
    lines = shared.root / "data/rejected" / f"{CENSUS}.jsonl"
    kept = {hashlib.md5(path.read_bytes()).hexdigest() for path in [*raw, lines]}
    pushed = hashes(shared.root.parent / "remote")
    assert raw
    assert kept & pushed == set()
    missing = hashes(shared.root / ".dvc/cache") - pushed
    assert kept <= missing


def test_results_pushed_before_the_lock_is_committed_are_found(
    shared: Workspace, tmp_path: Path
) -> None:
    """Only the report runs again, because its files are in git and not on the remote."""
    worker = shared.copy(tmp_path / "worker")
    worker.change(PAPER, emm_learning_rate)
    worker.repro()
    worker.run("dvc", "push", "--run-cache")
    worker.run("git", "commit", "--quiet", "--message=other rate", PAPER)
    clone = clone_of(worker, tmp_path / "clone")
    assert clone.repro(*PULL) == {f"report@{CENSUS}"}
    for made in ("dvc.lock", f"metrics/{CENSUS}/paper/emm.json", f"reports/{CENSUS}.md"):
        assert (clone.root / made).read_bytes() == (worker.root / made).read_bytes()


def test_without_a_lock_nothing_is_trained(shared: Workspace, tmp_path: Path) -> None:
    clone = clone_of(shared, tmp_path / "clone")
    (clone.root / "dvc.lock").unlink()
    again = {f"download@{CENSUS}", f"preprocess@{CENSUS}", f"report@{CENSUS}"}
    assert clone.repro(*PULL) == again
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_change_of_preprocessing_needs_the_raw_data(shared: Workspace, tmp_path: Path) -> None:
    clone = clone_of(shared, tmp_path / "clone")

    def rare(tree: Tree) -> None:
        tree["preprocess"]["rare_below"] = 2

    clone.change(DATA, rare)
    lacking = clone.run("dvc", "repro", *PULL, f"preprocess@{CENSUS}", check=False)
    assert lacking.returncode != 0
    assert f"data/raw/{CENSUS}" in lacking.stderr
    assert clone.repro(f"download@{CENSUS}") == {f"download@{CENSUS}"}
    assert clone.repro(*PULL, f"preprocess@{CENSUS}") == {f"preprocess@{CENSUS}"}


def test_processed_data_is_not_pushed_if_the_other_stages_are_pushed_by_name(
    shared: Workspace, tmp_path: Path
) -> None:
    page = (ROOT / "docs/sharing.md").read_text(encoding="utf-8")
    found = re.search(r"`(dvc push --run-cache pretrain .+?)`", page)
    assert found is not None
    worker = shared.copy(tmp_path / "worker")
    worker.run("dvc", "remote", "modify", "results", "url", str(tmp_path / "remote"))
    worker.run("git", "commit", "--quiet", "--all", "--message=other remote")
    worker.run(*found[1].split())
    processed = (worker.root / "data/processed" / CENSUS).rglob("*")
    files = (path for path in processed if path.is_file())
    kept = {hashlib.md5(path.read_bytes()).hexdigest() for path in files}
    assert kept & hashes(tmp_path / "remote") == set()
    clone = clone_of(worker, tmp_path / "clone")
    assert clone.repro(*PULL) == set()
    clone.run("dvc", "pull", f"data/models/{CENSUS}/paper/emm")
