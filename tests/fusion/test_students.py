"""Students: whom they learn from, and that their teachers haven't seen the rows."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from sklearn.metrics import roc_auc_score

from emm.core.errors import ModelFileError
from emm.fusion.emm import EMM
from emm.fusion.pool import load_pool
from emm.fusion.settings import Start
from emm.fusion.shares import mean_shares
from emm.fusion.teacher import TeacherFiles
from emm.models.shared_bottom import SharedBottom
from emm.training.fit import predict
from emm.training.networks import build_network, train_networks
from emm.training.settings import OptimiserSettings
from emm.training.store import load_model
from tests.fusion.fusing import CONTEXT, GATES, settings, train
from tests.fusion.teaching import HOW, NETWORK, lesson, logits_without_fold, student, trained
from tests.training.tiny import IDENTITY, TASKS, training


@pytest.fixture(scope="module")
def teacher(components: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fused model whose gates have learned out of fold."""
    out = tmp_path_factory.mktemp("teacher")
    how = settings(start=Start(towers="frozen"), learning_rate=0.3)
    gates, protocol = {**GATES, "constant_gates": True}, training(choose_by="loss", max_epochs=6)
    train(out, components, how, arguments=gates, protocol=protocol, rows=HOW)
    return out


def test_the_pool_teaches_the_mean_of_models_that_were_trained_without_the_row(
    components: Path,
) -> None:
    said = lesson(components)
    for number, task in enumerate(TASKS):
        wanted = torch.stack(logits_without_fold(components, task, number, CONTEXT.train)).mean(0)
        torch.testing.assert_close(said.logits[:, number], wanted, atol=1e-5, rtol=1e-5)


def test_a_fused_teacher_weighs_these_logits(components: Path, teacher: Path) -> None:
    said = lesson(components, teacher)
    model, _ = load_model(teacher / "seed-0", IDENTITY)
    assert isinstance(model, EMM)
    shares = mean_shares(model, load_pool(components / "seed-0", IDENTITY).members, CONTEXT.train)
    assert max(shares.values()) > 0.35  # the gates have learned
    for number, task in enumerate(TASKS):
        logits = logits_without_fold(components, task, number, CONTEXT.train)
        weights = [shares[f"{name}/{task}"] for name in ("narrow", "wide", "gbdt")]
        wanted = sum(weight * each for weight, each in zip(weights, logits, strict=True))
        torch.testing.assert_close(said.logits[:, number], wanted, atol=1e-5, rtol=1e-5)


def test_a_teacher_of_another_pool_is_refused(
    components: Path, teacher: Path, tmp_path: Path
) -> None:
    other = tmp_path / "seed-0"
    shutil.copytree(teacher / "seed-0", other)
    about = json.loads((other / "model.json").read_text())
    about["description"]["arguments"]["pool"]["networks"][0]["source_sha256"] = "f" * 64
    (other / "model.json").write_text(json.dumps(about))
    with pytest.raises(ModelFileError, match="wasn't fused from the pool as it is"):
        lesson(components, tmp_path)


def test_without_soft_targets_the_network_learns_as_any_other(tmp_path: Path) -> None:
    about = trained(tmp_path / "student", student(None, soft_targets=0.0))
    train_networks(
        tmp_path / "plain",
        CONTEXT,
        name="small",
        architecture="shared_bottom",
        build=partial(build_network, SharedBottom, NETWORK),
        training=training(),
        optimiser=OptimiserSettings(learning_rate=0.02, weight_decay=0.0),
    )
    files = ("seed-0/model.safetensors", "seed-0/model.json", "history.json")
    for name in files:
        assert (tmp_path / "student" / name).read_bytes() == (
            tmp_path / "plain" / name
        ).read_bytes()
    assert (about["teacher"], about["scores"]) == (None, {})


def test_soft_targets_change_what_is_learned(components: Path, tmp_path: Path) -> None:
    files = TeacherFiles(components)
    found = []
    for name, how in (
        ("labels", {"soft_targets": 0.0}),
        ("half", {"soft_targets": 0.5}),
        ("warm", {"soft_targets": 0.5, "temperature": 3.0}),
    ):
        trained(tmp_path / name, student(files if how["soft_targets"] else None, **how))
        model, _ = load_model(tmp_path / name / "seed-0", IDENTITY)
        found.append(predict(model, CONTEXT.validation))
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])


def test_a_student_says_who_taught_it_and_how_well(components: Path, tmp_path: Path) -> None:
    about = trained(tmp_path, student(TeacherFiles(components), soft_targets=0.8))
    said = lesson(components)
    assert {key: about[key] for key in ("network", "teacher", "soft_targets", "outside")} == {
        "network": "shared_bottom",
        "teacher": "pool",
        "soft_targets": 0.8,
        "outside": [],
    }
    for number, task in enumerate(TASKS):
        wanted = roc_auc_score(CONTEXT.train.labels[:, number], said.logits[:, number])
        assert about["scores"][task]["train"] == pytest.approx([wanted])
        assert about["scores"][task]["validation"] == [said.validation[number]]


def test_single_task_networks_are_students_one_by_one(components: Path, tmp_path: Path) -> None:
    network = {"embedding_dim": 2, "blocks": [[4]], "tower": [3], "dropout": 0.0}
    trained(tmp_path, student(TeacherFiles(components), network, network="single_task"))
    runs = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert [run["task"] for run in runs] == [*TASKS]
    for task in TASKS:
        assert load_model(tmp_path / "seed-0" / task, IDENTITY)[1].tasks == (task,)
