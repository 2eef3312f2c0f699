"""AUC and ROC curve against closed forms and scikit-learn, and their invariants."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics import ranking
from emm.metrics.ranking import auc, aucs, roc_curve

steady = settings(deadline=None, max_examples=60)  # no deadline: the machine may be busy


def drawn(rows: int, levels: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Scores with about ``levels`` distinct values that carry some signal, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(rows, generator=generator) < 0.3).to(torch.uint8)
    scores = torch.randn(rows, generator=generator) + labels
    return (scores * levels / 6).round() * 6 / levels, labels


@st.composite
def tied_scores(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Few distinct scores, so that ties are many, and labels of both classes."""
    rows = draw(st.integers(2, 40))
    scores = draw(st.lists(st.integers(-3, 3), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.integers(0, 1), min_size=rows - 2, max_size=rows - 2))
    return torch.tensor(scores, dtype=torch.float32), torch.tensor([0, 1, *labels])


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
        ([1.0, 2.0, 3.0], [0, 1, 1], 1.0),
        ([1.0, 2.0, 3.0], [1, 0, 0], 0.0),
        ([5.0, 5.0, 5.0, 5.0], [0, 1, 0, 1], 0.5),
        ([1.0, 1.0, 2.0], [0, 1, 1], 0.75),
        ([-torch.inf, 0.0, torch.inf], [0, 0, 1], 1.0),
        ([0.0, -0.0], [0, 1], 0.5),
    ],
)
def test_auc_of_small_cases(scores: list[float], labels: list[int], expected: float) -> None:
    assert auc(torch.tensor(scores), torch.tensor(labels)) == expected


@pytest.mark.parametrize("levels", [1, 3, 20, 10**6])
def test_auc_equals_scikit_learn(levels: int) -> None:
    scores, labels = drawn(3000, levels)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_is_the_probability_that_a_positive_scores_above_a_negative() -> None:
    scores, labels = drawn(200, 10)
    differences = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    wins = (differences > 0).double() + 0.5 * (differences == 0).double()
    assert auc(scores, labels) == pytest.approx(wins.mean().item(), abs=1e-15)


@steady
@given(tied_scores())
def test_auc_is_invariant_under_monotone_transformations(pair: tuple[Tensor, Tensor]) -> None:
    scores, labels = pair
    assert auc(scores.double().exp() * 3 - 7, labels) == auc(scores, labels)


@steady
@given(tied_scores())
def test_flipped_labels_give_one_minus_auc(pair: tuple[Tensor, Tensor]) -> None:
    scores, labels = pair
    assert auc(scores, 1 - labels) == pytest.approx(1 - auc(scores, labels), abs=1e-15)


@steady
@given(tied_scores(), st.randoms(use_true_random=False))
def test_auc_ignores_the_order_of_rows(pair: tuple[Tensor, Tensor], random: Random) -> None:
    scores, labels = pair
    order = list(range(len(scores)))
    random.shuffle(order)
    assert auc(scores[order], labels[order]) == auc(scores, labels)


def auc_by_one_sort(scores: Tensor, labels: Tensor) -> float:
    """All rows at once: the area under the steps at the last row of each distinct score."""
    ordered, order = scores.sort(descending=True)
    last = torch.cat([ordered[1:] != ordered[:-1], torch.tensor([True])]).nonzero().squeeze(1)
    true = torch.cat([torch.zeros(1).long(), labels[order].long().cumsum(0)[last]])
    false = torch.cat([torch.zeros(1).long(), last + 1]) - true
    twice_area = int((false.diff() * (true[1:] + true[:-1])).sum())
    return twice_area / (2 * int(true[-1]) * int(false[-1]))


@pytest.mark.parametrize("labels_dtype", [torch.bool, torch.uint8])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [1, 3, 300, 10**6])
def test_blocks_change_no_bit_of_the_auc(
    levels: int, dtype: torch.dtype, labels_dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "BLOCK", 64)
    scores, labels = drawn(2001, levels)
    scores, labels = scores.to(dtype), labels.to(labels_dtype)
    column = torch.stack([scores, scores], dim=1)[:, 0]  # not contiguous
    assert auc(scores, labels) == auc(column, labels) == auc_by_one_sort(scores, labels)


def test_auc_orders_all_of_float32() -> None:
    tiny, huge = 1e-45, 3.4e38
    values = torch.tensor([-torch.inf, -huge, -1.0, -tiny, -0.0, 0.0, tiny, 1.0, huge, torch.inf])
    generator = torch.Generator().manual_seed(0)
    scores = values[torch.randint(10, (400,), generator=generator)]
    labels = torch.rand(400, generator=generator) < 0.4
    assert auc(scores, labels) == auc_by_one_sort(scores, labels)


def test_auc_does_not_change_the_scores() -> None:
    scores, labels = drawn(100, 6)
    before = scores.clone()
    auc(scores, labels)
    assert torch.equal(scores, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_auc_accepts_any_real_dtype(dtype: torch.dtype) -> None:
    scores, labels = drawn(100, 6)
    assert auc(scores.to(dtype), labels) == auc(scores, labels)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32])
def test_labels_may_have_any_dtype(dtype: torch.dtype) -> None:
    scores, labels = drawn(100, 6)
    assert auc(scores, labels.to(dtype)) == auc(scores, labels)


def test_aucs_computes_the_auc_of_each_column() -> None:
    first, second = drawn(100, 9, seed=1), drawn(100, 9, seed=2)
    columns = [torch.stack(pair, dim=1) for pair in zip(first, second, strict=True)]
    assert aucs(*columns) == [auc(*first), auc(*second)]


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (torch.zeros(3), torch.ones(3), "one class"),
        (torch.zeros(3), torch.zeros(3), "one class"),
        (torch.zeros(0), torch.zeros(0), "at least one row"),
        (torch.zeros(3), torch.zeros(4), "don't match"),
        (torch.zeros(3, 1), torch.zeros(3, 1), "don't match"),
        (torch.zeros(2), torch.tensor([0, 2]), "neither 0 nor 1"),
        (torch.tensor([0.0, torch.nan]), torch.tensor([0, 1]), "not a number"),
    ],
)
@pytest.mark.parametrize("metric", [auc, roc_curve])
def test_unusable_input_is_an_error(
    metric: Callable[..., object], scores: Tensor, labels: Tensor, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        metric(scores, labels)


@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_roc_points_lie_on_the_exact_curve(levels: int) -> None:
    scores, labels = drawn(3000, levels)
    found_x, found_y = (rates.numpy() for rates in roc_curve(scores, labels, points=60))
    exact_x, exact_y, _ = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    # Where the exact curve rises vertically, ours has the upper end.
    upper = np.interp(found_x[1:] + 1e-12, exact_x, exact_y)
    np.testing.assert_allclose(found_y[1:], upper, atol=1e-8)


@steady
@given(tied_scores(), st.integers(8, 200))
def test_the_roc_curve_rises_from_corner_to_corner(
    pair: tuple[Tensor, Tensor], points: int
) -> None:
    x, y = roc_curve(*pair, points=points)
    assert [x[0].item(), y[0].item(), x[-1].item(), y[-1].item()] == [0, 0, 1, 1]
    assert bool((x.diff() >= 0).all())
    assert bool((y.diff() >= 0).all())
    assert len(x) <= points


@pytest.mark.parametrize("shift", [0.3, 2.3, 3.6])
def test_a_thinned_roc_curve_keeps_the_area(shift: float) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(50_000, generator=generator) < 0.06).to(torch.uint8)
    scores = torch.randn(50_000, generator=generator) + shift * labels
    x, y = roc_curve(scores, labels)
    assert torch.trapezoid(y, x).item() == pytest.approx(auc(scores, labels), abs=2e-4)


def test_roc_curves_over_the_same_labels_share_false_positive_rates() -> None:
    scores, labels = drawn(3000, 50)
    assert torch.equal(roc_curve(scores, labels)[0], roc_curve(-scores, labels)[0])
