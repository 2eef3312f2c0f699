"""Boosting where labels are missing, and with weights of positives."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.tables.rows import RowTensors
from emm.trees.gbdt import GradientBoosting, fit, grow
from tests.trees.test_gbdt import BOOSTING, INPUTS, make_rows
from tests.trees.test_gbdt_classes import with_classes

QUICK = replace(BOOSTING, max_iterations=3, patience=1)
TRAIN, VALIDATION = with_classes(300, 0), with_classes(200, 1)


def without_labels(rows: RowTensors, share: float, seed: int) -> RowTensors:
    """The same rows, with a random share of the labels missing."""
    gaps = torch.rand(rows.labels.shape, generator=torch.Generator().manual_seed(seed)) < share
    return replace(rows, labels=rows.labels.masked_fill(gaps, torch.nan), partly_labelled=True)


def same(left: GradientBoosting, right: GradientBoosting) -> bool:
    pairs = zip(left.buffers(), right.buffers(), strict=True)
    return left.arguments() == right.arguments() and all(torch.equal(a, b) for a, b in pairs)


@settings(deadline=None, max_examples=5)
@given(st.floats(0, 0.8), st.integers(0, 1000))
@pytest.mark.parametrize("weighted", [False, True])
def test_each_task_is_boosted_on_its_labelled_rows(weighted: bool, share: float, seed: int):
    weights = torch.linspace(0.5, 2, len(TRAIN)) if weighted else None
    train = without_labels(replace(TRAIN, weights=weights), share, seed)
    validation = without_labels(VALIDATION, share, seed)
    model, histories = fit(train, validation, INPUTS, QUICK, seed=0)
    counts = [history.best_iteration for history in histories]
    grown = grow(train, INPUTS, QUICK, counts, seed=0)
    assert same(model, grown)
    for task in range(2):
        alone, expected = fit(train.task(task), validation.task(task), INPUTS, QUICK, seed=0)
        assert histories[task] == expected[0]
        ours, theirs = model.ensembles[task], alone.ensembles[0]
        pairs = zip(ours.buffers(), theirs.buffers(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_without_gaps_a_table_that_may_have_gaps_gives_the_same_trees():
    dense = fit(TRAIN, VALIDATION, INPUTS, QUICK, seed=0)
    partly = [replace(rows, partly_labelled=True) for rows in (TRAIN, VALIDATION)]
    model, histories = fit(*partly, INPUTS, QUICK, seed=0)
    assert same(model, dense[0])
    assert histories == dense[1]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_task_without_a_label_is_an_error(split: str):
    splits = {"train": TRAIN, "validation": VALIDATION}
    labels = splits[split].labels.clone()
    labels[:, 1] = torch.nan
    splits[split] = replace(splits[split], labels=labels, partly_labelled=True)
    with pytest.raises(DataError, match="got: no label") as caught:
        fit(splits["train"], splits["validation"], INPUTS, QUICK, seed=0)
    assert f"task 1 in {split}" in str(caught.value)


BINARY = make_rows(300, 0)


def boosted(rows: RowTensors, positive_weights: Sequence[float] = ()) -> list[GradientBoosting]:
    """A fitted model and a grown one."""
    how = {"seed": 0, "positive_weights": positive_weights}
    fitted, _ = fit(rows, make_rows(200, 1), INPUTS, QUICK, **how)
    return [fitted, grow(rows, INPUTS, QUICK, [2, 2], **how)]


@pytest.mark.parametrize("weighted", [False, True])
def test_positive_weights_are_weights_of_the_positive_rows(weighted: bool):
    weights = torch.linspace(0.5, 2, len(BINARY)) if weighted else None
    rows = replace(BINARY, weights=weights)
    for model, plain in zip(boosted(rows, (3.0, 1.0)), boosted(rows), strict=True):
        heavy = torch.where(rows.labels[:, 0] == 1, 3.0, 1.0)
        heavy = heavy if weights is None else weights.double() * heavy
        expected = torch.logit(heavy[rows.labels[:, 0] == 1].sum().double() / heavy.sum())
        assert model.ensembles[0].baseline.item() == pytest.approx(expected.item(), rel=1e-5)
        assert torch.equal(model.ensembles[1].value, plain.ensembles[1].value)


def test_equal_positive_weights_change_no_bit():
    assert all(map(same, boosted(BINARY, (1.0, 1.0)), boosted(BINARY)))
