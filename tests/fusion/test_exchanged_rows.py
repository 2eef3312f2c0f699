"""Additional rows for students: whose values they have, and who labels them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emm.core.errors import DataError
from emm.data.tables.folds import folds_of
from emm.data.tables.rows import RowTensors
from emm.data.tables.soft_targets import Distillation, with_soft_targets
from emm.fusion.exchanged_rows import add_exchanged, exchanged
from emm.fusion.teacher import TeacherFiles, open_teacher
from emm.training.context import TrainingContext
from emm.training.store import load_model
from tests.fusion.fusing import CONTEXT
from tests.fusion.teaching import HOW, lesson, logits_without_fold, student, trained
from tests.training.tiny import IDENTITY, TASKS, table

DISTILLATION = Distillation(0.9)


def files(components: Path) -> TeacherFiles:
    folder = components.parent
    networks = {name: folder / name for name in ("narrow", "wide")}
    return TeacherFiles(components, None, networks, {"gbdt": folder / "gbdt"})


def test_values_come_from_the_same_column_and_fold() -> None:
    rows = replace(table(600, 0), groups=torch.arange(600) // 4)
    more = exchanged(rows, 3, 0.3, seed=1)
    fold = folds_of(rows, 3, 1)
    assert torch.equal(more.labels, rows.labels)
    for number in range(3):
        own = fold == number
        for column in range(2):
            values = set(rows.dense[own, column].tolist())
            assert set(more.dense[own, column].tolist()) <= values
    changed = (more.dense != rows.dense).float().mean()
    assert changed == pytest.approx(0.3, abs=0.05)
    assert (more.sparse != rows.sparse).any()
    assert torch.equal(more.dense, exchanged(rows, 3, 0.3, seed=1).dense)
    assert not torch.equal(more.dense, exchanged(rows, 3, 0.3, seed=2).dense)


def test_nothing_is_exchanged_at_a_share_of_zero() -> None:
    rows = table(60, 0)
    assert torch.equal(exchanged(rows, 3, 0.0, seed=1).dense, rows.dense)


def both(components: Path) -> RowTensors:
    """Train as its teacher sees it, and the additional rows."""
    taught = with_soft_targets(CONTEXT.train, lesson(components).logits, DISTILLATION)
    teacher = open_teacher(CONTEXT, files(components), HOW, 0)
    return add_exchanged(taught, CONTEXT, teacher, HOW, 0.4)


def test_models_that_were_trained_without_the_values_label_the_rows(components: Path) -> None:
    rows, count = both(components), len(CONTEXT.train)
    more = rows.part(count, 2 * count)
    assert rows.soft_targets is not None
    assert torch.equal(rows.soft_targets[:count], lesson(components).logits)
    assert not torch.equal(more.dense, rows.dense[:count])
    for number, task in enumerate(TASKS):
        wanted = torch.stack(logits_without_fold(components, task, number, more)).mean(0)
        found = rows.soft_targets[count:, number]
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_they_have_no_labels(components: Path) -> None:
    rows, count = both(components), len(CONTEXT.train)
    assert rows.partly_labelled
    assert torch.equal(rows.labels[:count], CONTEXT.train.labels.float())
    assert rows.labels[count:].isnan().all()


@pytest.mark.parametrize("network", ["shared_bottom", "single_task"])
def test_a_student_learns_from_them(components: Path, tmp_path: Path, network: str) -> None:
    arguments = {
        "shared_bottom": {"embedding_dim": 2, "bottom": [6], "tower": [3]},
        "single_task": {"embedding_dim": 2, "blocks": [[6]], "tower": [3]},
    }[network]
    weights = []
    for share in (0.0, 0.4):
        one = student(files(components), arguments, network=network, exchanged=share)
        assert trained(tmp_path / str(share), one)["exchanged"] == share
        folder = tmp_path / str(share) / "seed-0" / ("" if network == "shared_bottom" else TASKS[0])
        weights.append(load_model(folder, IDENTITY)[0].state_dict())
    assert any(not torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    history = json.loads((tmp_path / "0.4/history.json").read_text())
    assert all(epoch["train_loss"] > 0 for run in history["runs"] for epoch in run["epochs"])


def test_a_streamed_train_is_refused(components: Path) -> None:
    teacher = open_teacher(CONTEXT, files(components), HOW, 0)
    context: TrainingContext = CONTEXT
    with pytest.raises(DataError, match="train is streamed"):
        add_exchanged(context.train, context, teacher, HOW, 0.4)
