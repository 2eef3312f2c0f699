"""Students of pools with members from outside, which nobody can train without a fold."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emm.fusion.decompose import decompose
from emm.fusion.member_facts import load_facts
from emm.fusion.settings import FusionSettings
from emm.fusion.student_settings import StudentSettings
from emm.fusion.students import Student, train_student
from emm.fusion.teacher import Lesson, TeacherFiles, lesson_of, open_teacher
from tests.fusion.outside_stage import context, write_scored
from tests.training.tiny import fusion, train_members, training

CONTEXT = context()


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FusionSettings]:
    """The folder of a pool with an opaque outside model of the second task."""
    folder = tmp_path_factory.mktemp("outside")
    how = fusion("out-of-fold", pool=write_scored(folder, CONTEXT, {"boost": "opaque"}))
    own = train_members(folder, CONTEXT, how, ("narrow",))
    decompose(folder / "pool", CONTEXT, *own, how, (0,), scores=folder / "scores")
    return folder / "pool", how


def lesson(components: Path, how: FusionSettings) -> Lesson:
    return lesson_of(CONTEXT, open_teacher(CONTEXT, TeacherFiles(components), how, 0), how)


def test_its_predictions_are_used_as_they_are_and_that_is_said(
    pool: tuple[Path, FusionSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    components, how = pool
    network = {"embedding_dim": 2, "bottom": [4], "tower": [3]}
    student = Student(
        "small", StudentSettings(network="shared_bottom"), network, TeacherFiles(components)
    )
    train_student(tmp_path, CONTEXT, student=student, training=training(), fusion=how)
    assert "warning: boost can't be trained without a fold" in capsys.readouterr().err
    about = json.loads((tmp_path / "teacher.json").read_text())
    assert about["outside"] == ["boost"]
    shares = {each.name: each.share for each in load_facts(tmp_path / "seed-0")}
    assert shares["boost"] == pytest.approx(1 / 3)


def test_a_teacher_that_knows_the_labels_of_train_is_found_by_its_scores(
    pool: tuple[Path, FusionSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    components, how = pool
    folder = tmp_path / "pool"
    for source in components.rglob("*.*"):
        target = folder / source.relative_to(components)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    stored = folder / "scores/boost/scores.safetensors"
    logits = load_file(stored)
    logits["train"] = 40 * CONTEXT.train.labels[:, 1:].float() - 20
    save_file(logits, stored)
    said = lesson(folder, how)
    assert said.train[1] > 0.99
    assert said.validation[1] < 0.95
    assert torch.equal(said.logits[:, 0], lesson(components, how).logits[:, 0])
    network = {"embedding_dim": 2, "bottom": [4], "tower": [3]}
    settings = StudentSettings(network="shared_bottom")
    student = Student("small", settings, network, TeacherFiles(folder))
    train_student(tmp_path / "out", CONTEXT, student=student, training=training(), fusion=how)
    warning = "warning: the teacher of small may have seen rows of train through boost"
    assert warning in capsys.readouterr().err
