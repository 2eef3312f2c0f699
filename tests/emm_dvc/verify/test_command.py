"""`emm verify` in a real repository: what it finds, and that its advice repairs it."""

import re
import shutil
from pathlib import Path

import pytest

from tests.emm_dvc.verify.conftest import Repository, flip

WEIGHTS = "data/a/deep/w"


def repairs(output: str) -> list[str]:
    """The advised commands, without the notes behind them."""
    return [line.partition("   (")[0] for line in re.findall(r"repair: (.+)", output)]


def damaged_places(output: str) -> list[str]:
    return re.findall(r"damaged in the (.+?): ", output)


def test_a_sound_repository(repository: Repository) -> None:
    code, output = repository.verify("--remote", "store", "--all")
    assert code == 0
    assert "5 stages, 5 objects" in output
    assert "workspace 7, cache 5, remote store 5; damaged: 0; missing" in output


def test_an_altered_file_of_the_workspace(repository: Repository) -> None:
    flip(repository.root / WEIGHTS)
    code, output = repository.verify()
    assert code == 1
    assert f"damaged in the workspace: {WEIGHTS}\n  stage: train@a, out: data/a\n" in output
    (repair,) = repairs(output)
    repository.shell(repair)
    assert repository.verify()[0] == 0


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_text("")])
def test_a_file_of_a_folder_that_is_gone_or_empty(repository: Repository, change: object) -> None:
    change(repository.root / WEIGHTS)
    code, output = repository.verify()
    assert (code, damaged_places(output)) == (1, ["workspace"])


def test_an_altered_file_kept_by_git(repository: Repository) -> None:
    flip(repository.root / "reports/a/page")
    code, output = repository.verify()
    assert code == 1
    assert "stage: report@a, out: reports/a" in output
    (repair,) = repairs(output)
    repository.shell(repair)
    assert repository.verify()[0] == 0


def test_an_altered_object_of_the_cache(repository: Repository) -> None:
    broken = repository.object(WEIGHTS)
    flip(broken)
    code, output = repository.verify()
    assert code == 1
    assert f"damaged in the cache: {broken}\n" in output
    (repair,) = repairs(output)
    repository.shell(repair)
    assert repository.verify()[0] == 0


def test_an_altered_list_of_a_folders_files(repository: Repository) -> None:
    (broken, *_) = (repository.root / ".dvc/cache").rglob("*.dir")
    flip(broken)
    code, output = repository.verify()
    assert (code, damaged_places(output)) == (1, ["cache"])
    (repair,) = repairs(output)
    repository.shell(repair)
    assert repository.verify()[0] == 0


def test_both_copies_altered_as_with_links(repository: Repository) -> None:
    broken = repository.object(WEIGHTS)
    for path in (broken, repository.root / WEIGHTS):
        flip(path)
    code, output = repository.verify()
    assert (code, damaged_places(output)) == (1, ["workspace", "cache"])
    workspace, cache = repairs(output)
    assert "dvc fetch train@a" in cache
    repository.run("dvc", "remote", "default", "store")
    repository.shell(cache)
    repository.shell(workspace)
    assert repository.verify()[0] == 0


def test_an_altered_object_of_a_remote(repository: Repository) -> None:
    broken = repository.object(WEIGHTS, "remote")
    flip(broken)
    assert repository.verify()[0] == 0
    code, output = repository.verify("--remote", "store", "--all")
    assert (code, damaged_places(output)) == (1, ["remote store"])
    (advice,) = repairs(output)
    deletion, _, push = advice.partition(", then in a clone where `emm verify` finds nothing: ")
    first, second = deletion.removeprefix("delete ").split(" and ")
    assert (first, second[-4:]) == (str(broken), ".dir")
    for path in (first, second):
        Path(path).unlink()
    repository.shell(push)
    code, output = repository.verify("--remote", "store", "--all")
    assert (code, "missing (dvc pull brings them): 0" in output) == (0, True)


def test_a_sample_of_a_remote(repository: Repository) -> None:
    assert "remote store 3;" in repository.verify("--remote", "store", "--sample", "3")[1]


def test_files_that_were_never_pulled_are_missing_and_not_damaged(repository: Repository) -> None:
    shutil.rmtree(repository.root / "data")
    shutil.rmtree(repository.root / ".dvc/cache")
    code, output = repository.verify("--remote", "store", "--all")
    assert code == 0
    assert "missing in the workspace: data/a\n" in output
    assert "remote store 5; damaged: 0" in output


def test_an_unknown_remote(repository: Repository) -> None:
    code, output = repository.verify("--remote", "nowhere")
    assert code == 1
    assert "the remote nowhere can't be used" in output
