"""Training on rows whose labels are known for some tasks only."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from emm.core.errors import DataError
from emm.data.tables.rows import RowTensors
from emm.training.fit import epoch_before_training, fit, predict, validation_scores
from emm.training.forward import forward_of
from emm.training.weighting import WEIGHTINGS
from tests.data.tables.streamed import stream
from tests.training.fitting import schedule
from tests.training.partly import (
    KINDS,
    NETWORKS,
    OUTPUTS,
    TRAIN,
    VALIDATION,
    complete_table,
    network,
    partly,
)

ARGUMENTS: Mapping[str, Mapping[str, Any]] = {"fixed": {"weights": [1, 2, 1, 3]}}
RULES = [{"rule": name, **ARGUMENTS.get(name, {})} for name in WEIGHTINGS]
COMPILED = ("cross_stitch", "sluice", "home", "resflow", "ektm")
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])


class Affine(nn.Module):
    """Logits that are linear in the dense features: a row has no effect on those of other rows."""

    def __init__(self, outputs: int = 6) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(2, 2), nn.Linear(2, outputs)
        for number, parameter in enumerate(self.parameters()):
            nn.init.constant_(parameter, 0.1 * (number + 1))
            with torch.no_grad():
                parameter += torch.linspace(-0.3, 0.3, parameter.numel()).view_as(parameter)

    def forward(self, dense: Tensor, _sparse: Tensor) -> Tensor:
        return self.last(self.hidden(dense))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_all_kinds_of_tasks(name: str) -> None:
    model = network(name)
    how = schedule(max_epochs=20, patience=20, learning_rate=0.05, batch_size=150)
    epochs = fit(model, TRAIN, VALIDATION, how, seed=0)
    assert epochs[-1].train_loss < 0.8 * epochs[0].train_loss
    assert all(value.isfinite().all() for value in model.state_dict().values())
    best = max(epochs, key=lambda epoch: epoch.mean_score).scores
    assert all(score > chance for score, chance in zip(best, (0.75, 0.75, 0.2, 0.6), strict=True))


@every_rule
def test_every_rule_learns_all_kinds_of_tasks(rule: Mapping[str, Any]) -> None:
    model = network("mmoe")
    how = schedule(max_epochs=20, patience=20, learning_rate=0.05, batch_size=150, weighting=rule)
    epochs = fit(model, TRAIN, VALIDATION, how, seed=0)
    assert epochs[-1].train_loss < 0.8 * epochs[0].train_loss
    assert all(value.isfinite().all() for value in model.state_dict().values())


PATTERN = st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=6)


@settings(deadline=None, max_examples=30)
@given(PATTERN, st.booleans())
def test_the_gradient_of_a_batch_is_that_of_its_labels_one_by_one(
    known: list[tuple[bool, ...]], weighted: bool
) -> None:
    rows = complete_table(len(known), 3)
    labels = rows.labels.masked_fill(~torch.tensor(known), nan)
    weights = torch.arange(1.0, len(known) + 1) if weighted else None
    model = network("mmoe").eval()
    found = forward_of(model)(replace(partly(rows, labels), weights=weights))
    found.tasks.mean().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    plain = torch.zeros(())
    for task in range(4):
        labelled = [row for row in range(len(known)) if known[row][task]]
        own = [1.0 if weights is None else weights[row].item() for row in labelled]
        for row, weight in zip(labelled, own, strict=True):
            logits = model(rows.dense[row : row + 1], rows.sparse[row : row + 1])[0]
            loss = plain_loss(task, logits, rows.labels[row, task])
            plain = plain + weight * loss / sum(own) / 4
    if plain.requires_grad:
        plain.backward()
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-4)
    assert found.labelled is not None
    assert found.labelled.tolist() == [float(sum(column)) for column in zip(*known, strict=True)]


def plain_loss(task: int, logits: Tensor, label: Tensor) -> Tensor:
    if KINDS[task] == "classes":
        return functional.cross_entropy(logits[1:4], label.long())
    if KINDS[task] == "regression":
        return (logits[4] - label) ** 2
    return functional.binary_cross_entropy_with_logits(logits[0 if task == 0 else 5], label)


def one_task(rows: RowTensors, task: int) -> RowTensors:
    """The rows of one task, the unlabelled ones included."""
    outputs = (OUTPUTS[task],) if KINDS[task] == "classes" else ()
    kinds = () if KINDS[task] == "binary" else (KINDS[task],)
    return replace(rows, labels=rows.labels[:, task : task + 1], kinds=kinds, outputs=outputs)


@pytest.mark.parametrize("task", range(4))
@pytest.mark.parametrize("rule", ["equal", "uncertainty", "dwa", "gradnorm", "pcgrad"])
def test_rows_without_a_label_have_no_effect(task: int, rule: str) -> None:
    """Full batches of all rows, and of the labelled rows alone."""
    how = schedule(max_epochs=4, batch_size=300, learning_rate=0.05, weighting={"rule": rule})
    found = []
    for rows in (one_task(TRAIN, task), TRAIN.task(task)):
        model = Affine(OUTPUTS[task])
        epochs = fit(model, rows, VALIDATION.task(task), how, seed=0)
        found.append(([epoch.train_loss for epoch in epochs], model.state_dict()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for name, value in found[1][1].items():
        torch.testing.assert_close(found[0][1][name], value, atol=1e-5, rtol=1e-4)


@every_rule
def test_where_nothing_is_missing_training_is_as_usual(rule: Mapping[str, Any]) -> None:
    rows = complete_table(300, 0)
    how = schedule(max_epochs=2, weighting=rule)
    found = []
    for train in (rows, partly(rows, rows.labels)):
        model = Affine()
        epochs = fit(model, train, VALIDATION, how, seed=0)
        found.append(([epoch.train_loss for epoch in epochs], model.state_dict()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for name, value in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], value, atol=1e-5, rtol=1e-4)


def test_the_loss_of_an_epoch_is_the_mean_over_its_labelled_rows() -> None:
    model = Affine()
    how = schedule(max_epochs=1, batch_size=7, learning_rate=0.0)
    (epoch,) = fit(model, TRAIN, VALIDATION, how, seed=0)
    means = []
    for task in range(4):
        rows = TRAIN.task(task)
        columns = torch.arange(6).split(OUTPUTS)[task]
        logits = model(rows.dense, rows.sparse)[:, columns]
        label = rows.labels[:, 0]
        pairs = zip(logits, label, strict=True)
        wide = (functional.pad(own, (int(columns[0]), 5 - int(columns[-1]))) for own, _ in pairs)
        each = [plain_loss(task, *pair) for pair in zip(wide, label.float(), strict=True)]
        means.append(torch.stack(each).mean().item())
    assert epoch.train_loss == pytest.approx(sum(means) / 4, rel=1e-5)
    before = epoch_before_training(model, TRAIN, VALIDATION)
    assert before.train_loss == pytest.approx(epoch.train_loss, rel=1e-5)


def test_scores_are_those_of_the_labelled_rows() -> None:
    model = network("mmoe").eval()
    logits, labels = predict(model, VALIDATION), VALIDATION.labels
    assert logits.shape == (200, 6)
    found = validation_scores(model, VALIDATION)
    known = [~labels[:, task].isnan() for task in range(4)]
    for task, column in ((0, 0), (3, 5)):
        own = known[task]
        assert found[task] == pytest.approx(roc_auc_score(labels[own, task], logits[own, column]))
    own = known[2]
    assert found[2] == pytest.approx(r2_score(labels[own, 2], logits[own, 4]), abs=1e-6)
    shares = logits[known[1], 1:4].softmax(dim=1)
    areas = [roc_auc_score(labels[known[1], 1] == k, shares[:, k]) for k in range(3)]
    assert found[1] == pytest.approx(sum(areas) / 3)


@every_rule
def test_streamed_rows_lead_to_the_same_weights(rule: Mapping[str, Any], tmp_path: Path) -> None:
    """Full batches: the order of rows plays no role."""
    rows = replace(TRAIN, weights=torch.linspace(0.5, 2.0, len(TRAIN)))
    how = schedule(max_epochs=3, batch_size=300, weighting=rule)
    found = []
    for train in (rows, stream(rows, tmp_path / "rows.parquet", window=90, block=20)):
        model = Affine()
        epochs = fit(model, train, VALIDATION, how, seed=0)
        found.append(([epoch.train_loss for epoch in epochs], model.state_dict()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    for name, value in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")  # of what torch.compile imports
@pytest.mark.parametrize(
    "name", ["mmoe", *(pytest.param(name, marks=pytest.mark.slow) for name in ("escm2", *COMPILED))]
)
def test_a_compiled_batch_has_the_same_losses(name: str) -> None:
    model = network(name)
    torch.compiler.reset()
    rows = replace(TRAIN.part(0, 32), weights=torch.linspace(0.5, 2.0, 32))
    rows = rows.with_labels(rows.labels.clone().index_fill_(1, torch.tensor([2]), nan))
    plain = forward_of(model, positive_weights=(2.0, 1.0, 1.0, 3.0))
    expected, found = plain(rows), torch.compile(plain, dynamic=False, fullgraph=True)(rows)
    torch.testing.assert_close(found.tasks, expected.tasks)
    assert found.labelled is not None
    assert torch.equal(found.labelled, expected.labelled)
    assert found.present.tolist() == [True, True, False, True]
    if expected.penalty is not None:
        torch.testing.assert_close(found.penalty, expected.penalty)


def test_a_task_without_any_label_is_an_error() -> None:
    labels = TRAIN.labels.clone()
    labels[:, 2] = nan
    assert isnan(labels[0, 2])
    with pytest.raises(DataError, match="no labelled row to learn from") as error:
        fit(network("mmoe"), TRAIN.with_labels(labels), VALIDATION, schedule(), seed=0)
    assert "240, 150, 0, " in str(error.value)
