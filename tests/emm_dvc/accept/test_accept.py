"""`emm accept` on small DVC projects."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from emm_dvc.accept.accept import accept
from emm_dvc.accept.lock import AcceptError, read_entries, relock
from tests.emm_dvc.accept.project import (
    Repository,
    make_linked,
    make_project,
    make_subproject,
)

VALUES = "src/lib/values.py"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_project(tmp_path)


def test_nothing_has_changed(repository: Repository) -> None:
    assert accept(repository.folder) == []


@pytest.mark.parametrize("make", [make_project, make_subproject, make_linked])
def test_comments_docstrings_and_renames_are_accepted_without_data(
    make: Callable[[Path], Repository], tmp_path: Path
) -> None:
    repository = make(tmp_path)
    repository.edit(VALUES, ("The value of", "Value of"), ("result", "total"), ("STEP", "OFFSET"))
    assert repository.changed() == {"train", "report"}
    before = repository.entries()
    for name in ("data", ".dvc/cache"):
        shutil.rmtree(repository.folder / name)
    accepted = accept(repository.folder)
    assert [each.stage for each in accepted] == ["train", "report"]
    assert all(each.proof.startswith("the same syntax as in ") for each in accepted)
    after = repository.entries()
    assert [entry["outs"] for entry in after.values()] == [
        entry["outs"] for entry in before.values()
    ]
    assert accept(repository.folder) == []


def test_dvc_takes_accepted_stages_for_unchanged(repository: Repository) -> None:
    repository.edit("stages/train.py", ("import sys", "# Words.\nimport sys"))
    accept(repository.folder)
    assert repository.changed() == set()


def test_a_change_of_a_value_is_refused_and_the_others_are_accepted(repository: Repository) -> None:
    repository.edit("stages/report.py", ("files", "paths"))
    repository.edit("stages/train.py", ("history", "past"))
    with pytest.raises(
        AcceptError, match=r"- train: stages/train.py:\d+: 'history.txt' became 'past"
    ):
        accept(repository.folder)
    assert repository.changed() == {"train"}


def test_a_stage_by_its_name(repository: Repository) -> None:
    repository.edit(VALUES, ("STEP", "OFFSET"))
    assert [each.stage for each in accept(repository.folder, ["report"])] == ["report"]
    assert repository.changed() == {"train"}


def test_code_that_was_never_committed_proves_nothing(repository: Repository) -> None:
    repository.edit(VALUES, ("STEP = 3", "STEP = 4"))
    repository.run("python", "-m", "dvc", "repro", "--quiet")
    repository.edit(VALUES, ("STEP = 4", "STEP = 5"))
    with pytest.raises(
        AcceptError, match=re.escape("no commit has src/lib as dvc.lock recorded it")
    ):
        accept(repository.folder)


def test_the_commit_may_be_named(repository: Repository) -> None:
    repository.edit(VALUES, ("STEP", "OFFSET"))
    repository.commit()
    with pytest.raises(AcceptError, match=re.escape("no commit has src/lib")):
        accept(repository.folder, since="HEAD")
    assert len(accept(repository.folder, since="HEAD~1")) == 2


def test_an_added_file_is_refused(repository: Repository) -> None:
    (repository.root / "src/lib/more.py").write_text("")
    with pytest.raises(AcceptError, match=re.escape("src/lib/more.py was added")):
        accept(repository.folder)
    assert len(accept(repository.folder, rerun=True)) == 2


def test_other_settings_and_commands_are_refused(repository: Repository) -> None:
    repository.edit("conf/set/paper.yaml", ("epochs: 1", "epochs: 2"))
    with pytest.raises(
        AcceptError, match=re.escape("conf/set/paper.yaml: training has another value")
    ):
        accept(repository.folder)
    repository.edit("dvc.yaml", ("train.py data/model", "train.py  data/model"))
    with pytest.raises(
        AcceptError, match=re.escape("the command 'python stages/train.py data/model' became")
    ):
        accept(repository.folder)


def test_a_stage_that_never_ran(repository: Repository) -> None:
    tree = yaml.safe_load((repository.folder / "dvc.yaml").read_text())
    tree["stages"]["new"] = {"cmd": "true", "deps": ["src/lib"], "outs": ["data/new"]}
    (repository.folder / "dvc.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    assert accept(repository.folder) == []
    with pytest.raises(AcceptError, match=re.escape("new isn't in dvc.lock: it never ran")):
        accept(repository.folder, ["new"])


def test_data_that_the_stage_did_not_read_is_refused(repository: Repository) -> None:
    repository.edit("dvc.yaml", ("    - data/model\n    - src", "    - data/rows.txt\n    - src"))
    with pytest.raises(
        AcceptError, match=re.escape("no hash is recorded for data/rows.txt of report")
    ):
        accept(repository.folder)


@pytest.mark.parametrize("make", [make_project, make_subproject, make_linked])
def test_a_rerun_with_the_first_seed_proves_other_code(
    make: Callable[[Path], Repository], tmp_path: Path
) -> None:
    repository = make(tmp_path)
    # The second seed would have another value: it isn't run.
    repository.edit(VALUES, ("seed * factor + STEP", "9 if seed == 3 else 1"))
    accepted = accept(repository.folder, ["train"], rerun=True)
    assert [each.proof for each in accepted] == ["a rerun wrote the same bytes"]
    assert (repository.folder / "data/model/seed-4/model.txt").exists()
    assert repository.changed() == {"report"}


def test_a_rerun_needs_the_stored_files_of_several_seeds(repository: Repository) -> None:
    repository.edit(VALUES, ("seed * factor", "factor * seed"))
    shutil.rmtree(repository.folder / "data/model")
    assert len(accept(repository.folder, ["train"], rerun=True)) == 1  # from the cache
    repository.edit(VALUES, ("factor * seed", "(factor * seed)  ** 1"))
    shutil.rmtree(repository.folder / ".dvc/cache/files")
    assert len(accept(repository.folder, ["train"], rerun=True)) == 1  # all seeds


def test_a_rerun_with_other_bytes_names_the_file(repository: Repository) -> None:
    repository.edit(VALUES, ("STEP = 3", "STEP = 4"))
    with pytest.raises(
        AcceptError, match=re.escape("- train: data/model/seed-3/model.txt has other bytes")
    ):
        accept(repository.folder, ["train"], rerun=True)
    assert repository.changed() == {"train", "report"}


def test_a_rerun_that_fails_shows_why(repository: Repository) -> None:
    repository.edit(VALUES, ("STEP = 3", "STEP = THREE"))
    with pytest.raises(AcceptError, match=re.escape("NameError: name 'THREE' is not defined")):
        accept(repository.folder, ["train"], rerun=True)


def test_a_rerun_without_the_data_says_so(repository: Repository) -> None:
    repository.edit(VALUES, ("STEP = 3", "STEP = 4"))
    (repository.folder / "data/rows.txt").unlink()
    with pytest.raises(
        AcceptError, match=re.escape("data/rows.txt isn't here: dvc pull, or dvc checkout")
    ):
        accept(repository.folder, ["train"], rerun=True)


def test_a_rerun_may_prove_another_command(repository: Repository) -> None:
    repository.edit("dvc.yaml", ("train.py data/model", "train.py  data/model"))
    assert len(accept(repository.folder, rerun=True)) == 1
    assert repository.changed() == set()


def test_a_parameter_may_go_to_another_file(repository: Repository) -> None:
    repository.run("git", "mv", "conf/set/paper.yaml", "params.yaml")
    repository.edit("params.yaml", ("training:\n  seeds", "set:\n training:\n  seeds"))
    repository.edit(
        "dvc.yaml", ("conf/set/paper.yaml:\n      - training", "params.yaml:\n      - set.training")
    )
    entries = read_entries(repository.folder / "dvc.lock")
    assert relock(repository.folder) == ["train"]
    repository.run("git", "checkout", "HEAD", "--", "conf", "dvc.yaml")
    assert len(accept(repository.folder)) == 1
    assert read_entries(repository.folder / "dvc.lock") == entries


def test_relock_without_a_recorded_hash(repository: Repository) -> None:
    (repository.folder / "dvc.lock").unlink()
    with pytest.raises(AcceptError, match=re.escape("no entry is recorded for rows")):
        relock(repository.folder)


def test_outside_of_a_project(tmp_path: Path) -> None:
    with pytest.raises(AcceptError, match=re.escape("DVC can't use the project")):
        accept(tmp_path)
