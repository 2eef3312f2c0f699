"""Boosting of a task of classes, next to a binary one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from emm.core.errors import DataError
from emm.data.tables.rows import RowTensors
from emm.metrics.classes import macro_auc
from emm.metrics.ranking import auc
from emm.trees.gbdt import GradientBoosting, fit, grow
from tests.trees.boosted import Trained, best, outputs
from tests.trees.test_gbdt import BOOSTING, INPUTS, make_rows

QUICK = replace(BOOSTING, max_iterations=3, patience=1)


def with_classes(count: int, seed: int, classes: int = 3) -> RowTensors:
    """A task of classes that depend on a dense column and a set of ids, and a binary task."""
    rows = make_rows(count, seed)
    noise = torch.randn(count, generator=torch.Generator().manual_seed(seed + 10))
    value = 3 * rows.dense[:, 0] + (rows.sparse[:, 0] % 2) + 0.5 * noise
    edges = value.quantile(torch.linspace(0, 1, classes + 1)[1:-1])
    labels = torch.stack([torch.bucketize(value, edges).float(), rows.labels[:, 1].float()], dim=1)
    return replace(rows, labels=labels, kinds=("classes", "binary"), outputs=(classes, 1))


TRAIN, VALIDATION = with_classes(800, 0), with_classes(400, 1)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(TRAIN, VALIDATION, INPUTS, BOOSTING, seed=0)


def test_the_trees_kept_have_the_macro_auc_of_the_best_iteration(trained: Trained):
    model, histories = trained
    expected = macro_auc(outputs(model, VALIDATION)[:, :3], VALIDATION.labels[:, 0])
    assert best(histories[0]).score == pytest.approx(expected, abs=1e-12)
    assert expected > 0.75


def test_the_train_loss_is_the_log_loss_of_the_softmax(trained: Trained):
    model, histories = trained
    probabilities = outputs(model, TRAIN)[:, :3].softmax(1)
    expected = log_loss(TRAIN.labels[:, 0], probabilities)
    assert best(histories[0]).train_loss == pytest.approx(expected, rel=1e-9)


def test_boosting_stops_patience_rounds_after_the_best_iteration(trained: Trained):
    history = trained[1][0]
    assert history.iterations[-1].iteration == history.best_iteration + BOOSTING.patience
    assert max(each.score for each in history.iterations) == best(history).score


def test_the_logits_are_the_decision_of_scikit_learn():
    columns = torch.cat([TRAIN.dense.double(), TRAIN.sparse.double()], dim=1).numpy()
    peer = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=7,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        categorical_features=[False, False, True, False],
        early_stopping=False,
    ).fit(columns, TRAIN.labels[:, 0].numpy())
    ours = outputs(grow(TRAIN, INPUTS, BOOSTING, [7, 1], seed=0), TRAIN)[:, :3]
    np.testing.assert_allclose(ours, peer.decision_function(columns), rtol=0, atol=1e-12)


def test_grow_makes_the_trees_of_the_fit(trained: Trained):
    model, histories = trained
    twin = grow(TRAIN, INPUTS, BOOSTING, [history.best_iteration for history in histories], seed=0)
    assert twin.arguments() == model.arguments()
    assert all(torch.equal(a, b) for a, b in zip(twin.buffers(), model.buffers(), strict=True))


def test_a_task_of_classes_does_not_change_a_binary_task(trained: Trained):
    alone = [
        replace(rows, labels=rows.labels[:, 1:].byte(), kinds=(), outputs=())
        for rows in (TRAIN, VALIDATION)
    ]
    single, histories = fit(alone[0], alone[1], INPUTS, BOOSTING, seed=0)
    model, both = trained
    assert histories == both[1:]
    assert torch.equal(outputs(single, VALIDATION)[:, 0], outputs(model, VALIDATION)[:, 3])


def test_a_stored_model_predicts_the_same(trained: Trained):
    model, _ = trained
    loaded = GradientBoosting(INPUTS, 2, **model.arguments())
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(outputs(loaded, VALIDATION), outputs(model, VALIDATION))


def test_two_classes_are_predicted_like_a_binary_task():
    rows = with_classes(300, 0, classes=2)
    binary = replace(rows, labels=rows.labels.byte(), kinds=(), outputs=())
    ours = outputs(grow(rows, INPUTS, BOOSTING, [5, 1], seed=0), rows)[:, :2]
    expected = outputs(grow(binary, INPUTS, BOOSTING, [5, 1], seed=0), rows)[:, 0]
    log_odds = ours[:, 1] - ours[:, 0]
    torch.testing.assert_close(log_odds, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("missing", [[0], [2], [0, 2], [1, 3]], ids=str)
def test_a_class_without_rows_has_the_share_of_half_a_row_at_first(missing: list[int]):
    rows = with_classes(300, 0, classes=4)
    kept = (~torch.isin(rows.labels[:, 0], torch.tensor(missing))).nonzero().squeeze(1)
    rows = rows.rows(kept)
    model = grow(rows, INPUTS, BOOSTING, [5, 1], seed=0)
    ensemble = model.get_submodule("ensembles.0")
    present = [number for number in range(4) if number not in missing]
    prior = ensemble.baseline.softmax(0)
    torch.testing.assert_close(
        prior[missing] / prior[present].sum(),
        torch.full((len(missing),), 0.5 / len(rows), dtype=torch.float64),
    )
    # The other classes are predicted as if there were no more.
    numbers = torch.searchsorted(torch.tensor(present), rows.labels[:, 0].long())
    fewer = replace(
        rows,
        labels=torch.stack([numbers.float(), rows.labels[:, 1]], dim=1),
        outputs=(len(present), 1),
    )
    expected = outputs(grow(fewer, INPUTS, BOOSTING, [5, 1], seed=0), rows)[:, : len(present)]
    ours = outputs(model, rows)[:, present]
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("missing", [[0], [1, 3]], ids=str)
def test_a_class_without_rows_in_train_may_occur_in_validation(missing: list[int]):
    rows, held_out = with_classes(300, 0, classes=4), with_classes(200, 1, classes=4)
    gone = [torch.isin(each.labels[:, 0], torch.tensor(missing)) for each in (rows, held_out)]
    rows = rows.rows((~gone[0]).nonzero().squeeze(1))
    model, (history, _) = fit(rows, held_out, INPUTS, QUICK, seed=0)
    known = (~gone[1]).nonzero().squeeze(1)
    logits, labels = outputs(model, held_out)[known, :4], held_out.labels[known, 0]
    # It is scored among the classes of train: of two, by the logit itself.
    present = [number for number in range(4) if number not in missing]
    numbers = torch.searchsorted(torch.tensor(present), labels.long())
    two = len(present) == 2
    expected = auc(logits[:, 2], numbers) if two else macro_auc(logits[:, present], numbers)
    assert best(history).score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_single_class_is_an_error(split: str):
    splits = {"train": TRAIN, "validation": VALIDATION}
    labels = splits[split].labels.clone()
    labels[:, 0] = 2
    splits[split] = replace(splits[split], labels=labels)
    with pytest.raises(DataError, match="all labels are equal") as caught:
        fit(splits["train"], splits["validation"], INPUTS, QUICK, seed=0)
    assert f"task 0 in {split}" in str(caught.value)
