"""Rows with soft targets: their losses, in memory and streamed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from emm.data.tables.rows import RowTensors
from emm.data.tables.soft_targets import Distillation, with_soft_targets
from emm.nn.funnel import over_entire_space
from emm.nn.losses import soft_losses, task_losses
from emm.training.fit import fit
from emm.training.forward import forward_of, losses_of
from emm.training.labels import rows_per_task, rows_to_learn
from emm.training.vectorised import StackedModel, obstacle
from tests.data.tables.streamed import numbered, stream
from tests.training.fitting import schedule
from tests.training.partly import KINDS, OUTPUTS, TRAIN, VALIDATION, network
from tests.training.tiny import table

HOW = Distillation(0.7, 2.0)


def teacher_of(rows: RowTensors, columns: int) -> Tensor:
    return torch.randn(len(rows), columns, generator=torch.Generator().manual_seed(3))


def taught(rows: RowTensors, columns: int, how: Distillation = HOW) -> RowTensors:
    found: RowTensors = with_soft_targets(rows, teacher_of(rows, columns), how)
    return found


def test_the_loss_is_shared_between_labels_and_teacher() -> None:
    rows, logits = taught(table(40, 0), 2), teacher_of(table(40, 0), 2) / 2
    labels = task_losses(logits, rows.labels.float())
    soft = soft_losses(logits, teacher_of(rows, 2), 2.0)
    torch.testing.assert_close(losses_of(logits, rows), 0.3 * labels + 0.7 * soft)


def test_positive_rows_are_weighed_by_their_labels_only() -> None:
    rows, logits = taught(table(40, 0), 2, Distillation(1.0)), teacher_of(table(40, 0), 2) / 2
    assert torch.equal(losses_of(logits, rows, (3.0, 1.0)), losses_of(logits, rows))


def test_rows_without_a_label_learn_from_the_teacher() -> None:
    rows = taught(TRAIN, sum(OUTPUTS))
    model = network("mmoe").eval()
    logits = model(rows.dense, rows.sparse)
    found = forward_of(model)(rows)
    labels = losses_of(logits, TRAIN)
    soft = soft_losses(logits, teacher_of(rows, sum(OUTPUTS)), 2.0, None, KINDS, OUTPUTS)
    torch.testing.assert_close(found.tasks, 0.3 * labels + 0.7 * soft)
    assert found.present is None
    assert rows_per_task(rows).tolist() == [len(rows)] * 4
    assert rows_per_task(TRAIN).tolist() != [len(rows)] * 4


def test_the_rows_of_a_task_keep_its_own_targets() -> None:
    rows = taught(TRAIN, sum(OUTPUTS))
    own = rows.task(1)
    assert own.soft_targets is not None
    assert torch.equal(own.soft_targets, teacher_of(rows, sum(OUTPUTS))[:, 1:4])
    assert own.partly_labelled
    assert own.labels.isnan().sum() == TRAIN.labels[:, 1].isnan().sum() > 0
    complete = taught(table(40, 0), 2).task(1)
    assert (complete.partly_labelled, complete.labels.dtype) == (False, torch.uint8)


def test_a_model_of_both_steps_reads_the_teachers_rate_given_a_click_as_a_factor() -> None:
    rows, model = taught(TRAIN, sum(OUTPUTS)), network("esmm", given_click=True)
    targets = rows_to_learn(model, rows).soft_targets
    assert targets is not None
    assert torch.equal(targets, over_entire_space(teacher_of(rows, sum(OUTPUTS)), (0, 5)))
    (same,) = (rows_to_learn(network("esmm"), rows).soft_targets,)
    assert same is not None
    assert torch.equal(same, teacher_of(rows, sum(OUTPUTS)))


def test_batches_have_the_targets_of_their_rows_in_memory_and_streamed(tmp_path: Path) -> None:
    held = numbered(90)
    targets = torch.arange(180.0).reshape(90, 2)
    streamed = stream(held, tmp_path / "rows.parquet", group=20, window=30, block=10)
    for rows in (held, streamed):
        for batch in with_soft_targets(rows, targets, HOW).shuffled(16, torch.Generator()):
            assert batch.distillation == HOW
            assert torch.equal(batch.soft_targets, targets[batch.sparse[:, 0].long()])
    index = torch.tensor([3, 50, 70])
    some = with_soft_targets(streamed, targets, HOW).rows(index)
    assert torch.equal(some.in_memory(1, 0).soft_targets, targets[index])


@pytest.mark.parametrize("name", ["shared_bottom", "escm2"])
def test_networks_come_closer_to_their_teacher(name: str) -> None:
    rows = taught(TRAIN, sum(OUTPUTS), Distillation(0.9))
    found = []
    for epochs in (1, 8):
        model = network(name)
        fit(model, rows, rows, schedule(max_epochs=epochs, choose_by="loss"), seed=0)
        with torch.no_grad():
            found.append(float(losses_of(model.train()(rows.dense, rows.sparse), rows).sum()))
    assert found[1] < found[0]


def test_taught_models_train_one_after_another() -> None:
    models = [
        StackedModel(network("mmoe"), taught(TRAIN, sum(OUTPUTS)), VALIDATION, seed, ())
        for seed in (0, 1)
    ]
    assert obstacle(models, schedule()) == "they learn from a teacher"
    plain = [replace(each, train=TRAIN) for each in models]
    assert obstacle(plain, schedule()) is None
