"""`emm verify --rerun` in a small DVC project."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from emm.core.errors import ParamsError
from emm_dvc.verify.outs import VerifyError
from emm_dvc.verify.rerun import compared, rerun, rerun_row
from tests.emm_dvc.accept.project import Repository, make_project

OUT = Path("data/model")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    found = make_project(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    return found


def test_the_same_code_writes_the_same_files(repository: Repository) -> None:
    before = {path: path.read_bytes() for path in repository.root.glob("data/**/*.txt")}
    assert rerun(repository.root, OUT) == (True, "train: equal, 3 files")
    assert before == {path: path.read_bytes() for path in repository.root.glob("data/**/*.txt")}


def test_other_code_is_named_next_to_the_files(repository: Repository) -> None:
    repository.edit("src/lib/values.py", ("STEP = 3", "STEP = 4"))
    equal, report = rerun(repository.root, OUT)
    assert not equal
    assert "train: not equal: 2 of 3 files differ\n  seed-3/model.txt: other bytes" in report
    assert "changed since dvc.lock was written: src/lib" in report


def test_a_training_that_fails(repository: Repository) -> None:
    repository.edit("src/lib/values.py", ("STEP = 3", "STEP = THREE"))
    with pytest.raises(VerifyError, match="name 'THREE' is not defined"):
        rerun(repository.root, OUT)


def test_a_folder_that_no_stage_writes(repository: Repository) -> None:
    with pytest.raises(VerifyError, match="no stage writes data/models/a/paper/b"):
        rerun_row(repository.root, "a/paper/b")


def test_a_model_that_was_not_pulled(repository: Repository) -> None:
    shutil.rmtree(repository.root / OUT)
    with pytest.raises(VerifyError, match=re.escape("dvc pull train")):
        rerun(repository.root, OUT)


def test_a_name_of_no_model(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="'mmoe' names no trained model"):
        rerun_row(tmp_path, "mmoe")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A stored model, and its rerun, which left it in the second step of the second epoch."""
    for name, off in (("stored", 0.0), ("rerun", 0.5)):
        folder = tmp_path / name
        (folder / "seed-0").mkdir(parents=True)
        weights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0 + off])}
        save_file(weights, folder / "seed-0/model.safetensors")
        epochs = [
            {"epoch": 1, "weights": "w", "every": 1, "losses": [1.0]},
            {"epoch": 2, "weights": f"{off}", "every": 1, "losses": [1.0, 2.0 + off]},
        ]
        runs = [{"seed": 0, "task": "sale", "trace": epochs}]
        (folder / "trace.json").write_text(json.dumps({"runs": runs}))
        history = [{"epoch": n, "train_loss": 1.0 + off * (n == 2)} for n in (1, 2)]
        runs = [{"seed": 0, "task": "sale", "epochs": history}]
        (folder / "history.json").write_text(json.dumps({"runs": runs}))
    return tmp_path / "stored", tmp_path / "rerun"


def test_the_report_says_how_far_apart_and_which_step_differed(
    folders: tuple[Path, Path],
) -> None:
    equal, lines = compared(*folders)
    assert not equal
    assert lines == [
        "not equal: 3 of 3 files differ",
        "history.json: other bytes",
        "seed-0/model.safetensors: at most 0.5 apart, in b",
        "trace.json: other bytes",
        "seed 0, sale first differs in epoch 2, step 2: the sum of the losses is 2.0 there, "
        "2.5 here",
    ]


def test_without_a_trace_the_epochs_are_compared(folders: tuple[Path, Path]) -> None:
    (folders[0] / "trace.json").unlink()
    _, lines = compared(*folders)
    assert lines[-2:] == [
        "the stored model has no trace.json: which step differed isn't known",
        "seed 0, sale first differs in epoch 2",
    ]


def test_other_shapes(folders: tuple[Path, Path]) -> None:
    save_file({"a": torch.zeros(3)}, folders[1] / "seed-0/model.safetensors")
    assert "seed-0/model.safetensors: other tensors" in compared(*folders)[1]


@pytest.mark.parametrize("text", ["{", '{"runs": 3}', '{"runs": [{}]}', "[" * 10**5, "\x00"])
def test_a_damaged_trace(text: str, folders: tuple[Path, Path]) -> None:
    (folders[0] / "trace.json").write_text(text)
    with pytest.raises(VerifyError, match=r"trace\.json can't be read"):
        compared(*folders)


def test_a_link_out_of_the_folder_is_not_followed(folders: tuple[Path, Path]) -> None:
    (folders[0] / "etc").symlink_to("/etc")
    assert not any("etc" in line for line in compared(*folders)[1])
