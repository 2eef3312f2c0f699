"""GAUC against a loop over groups with scikit-learn, and its invariants."""

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.group_ranking import gauc
from emm.metrics.ranking import auc

steady = settings(deadline=None, max_examples=60)  # no deadline: the machine may be busy
Rows = tuple[Tensor, Tensor, Tensor]


def group_by_group(scores: Tensor, labels: Tensor, groups: Tensor) -> float:
    """The definition, group by group."""
    total = weights = 0.0
    for group in set(groups.tolist()):
        rows = groups == group
        if group >= 0 and len(set(labels[rows].tolist())) == 2:
            total += int(rows.sum()) * roc_auc_score(labels[rows], scores[rows])
            weights += int(rows.sum())
    return total / weights


@st.composite
def grouped_rows(draw: st.DrawFn) -> Rows:
    """Few distinct scores in few groups, of which at least one has both classes."""
    rows = draw(st.integers(2, 40))
    scores = draw(st.lists(st.integers(-3, 3), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.integers(0, 1), min_size=rows - 2, max_size=rows - 2))
    groups = draw(st.lists(st.integers(-1, 4), min_size=rows - 2, max_size=rows - 2))
    return (
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor([0, 1, *labels]),
        torch.tensor([2, 2, *groups]),
    )


def drawn(rows: int, groups: int) -> Rows:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(rows, generator=generator) < 0.3).to(torch.uint8)
    scores = ((torch.randn(rows, generator=generator) + labels) * 4).round() / 4
    return scores, labels, torch.randint(-1, groups, (rows,), generator=generator)


def test_a_case_worked_out_by_hand() -> None:
    scores = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.3, 0.8, 0.2])
    labels = torch.tensor([0, 1, 1, 0, 0, 1, 1])
    groups = torch.tensor([7, 7, 3, 3, 3, 5, -1])
    # Group 7: AUC 1, 2 rows. Group 3: a tie and a win, 3 rows. Group 5: one class. -1: unknown.
    assert gauc(scores, labels, groups) == pytest.approx((2 * 1 + 3 * 0.75) / 5, abs=1e-15)


@steady
@given(grouped_rows())
def test_gauc_equals_its_definition(rows: Rows) -> None:
    assert gauc(*rows) == pytest.approx(group_by_group(*rows), abs=1e-12)


@pytest.mark.parametrize("groups", [1, 7, 400, 3000])
def test_gauc_equals_its_definition_on_many_rows(groups: int) -> None:
    rows = drawn(3000, groups)
    assert gauc(*rows) == pytest.approx(group_by_group(*rows), abs=1e-12)


@steady
@given(grouped_rows())
def test_gauc_of_one_group_is_the_auc(rows: Rows) -> None:
    scores, labels, _ = rows
    found = gauc(scores, labels, torch.zeros_like(labels))
    assert found == pytest.approx(auc(scores, labels), abs=1e-15)


@steady
@given(grouped_rows(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_names_of_groups_do_not_matter(
    rows: Rows, random: Random
) -> None:
    scores, labels, groups = rows
    order = list(range(len(scores)))
    random.shuffle(order)
    renamed = torch.where(groups < 0, groups, 1000 - 7 * groups)
    found = gauc(scores[order], labels[order], renamed[order])
    assert found == pytest.approx(gauc(*rows), abs=1e-12)


@steady
@given(grouped_rows())
def test_a_shift_of_the_scores_of_a_group_does_not_matter(rows: Rows) -> None:
    scores, labels, groups = rows
    assert gauc(scores + 10 * groups, labels, groups) == gauc(*rows)


@steady
@given(grouped_rows())
def test_flipped_labels_give_one_minus_gauc(rows: Rows) -> None:
    scores, labels, groups = rows
    assert gauc(scores, 1 - labels, groups) == pytest.approx(1 - gauc(*rows), abs=1e-12)


def test_an_undefined_gauc_is_an_error() -> None:
    scores, labels = torch.tensor([1.0, 2.0]), torch.tensor([0, 1])
    with pytest.raises(DataError, match="no group has both classes"):
        gauc(scores, labels, torch.tensor([1, 2]))
    with pytest.raises(DataError, match="no group has both classes"):
        gauc(scores, labels, torch.tensor([-1, -1]))


@pytest.mark.parametrize("groups", [torch.zeros(3).long(), torch.zeros(2)])
def test_groups_of_another_shape_or_dtype_are_an_error(groups: Tensor) -> None:
    with pytest.raises(DataError, match="scores and groups don't match"):
        gauc(torch.zeros(2), torch.tensor([0, 1]), groups)
