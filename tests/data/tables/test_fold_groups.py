"""Folds of rows in groups."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.tables.folds import folds_of
from emm.data.tables.rows import RowTensors

SEED = 3
GROUPS = st.lists(st.integers(0, 40), min_size=7, max_size=150)


def grouped(groups: list[int] | None, rows: int = 0) -> RowTensors:
    numbers = torch.arange(rows if groups is None else len(groups)).unsqueeze(1)
    own = None if groups is None else torch.tensor(groups, dtype=torch.int32)
    return RowTensors(numbers.float(), numbers.int(), numbers.byte(), groups=own)


@settings(deadline=None, max_examples=100)
@given(GROUPS, st.integers(2, 7), st.integers(0, 5))
def test_the_rows_of_a_group_share_a_fold(groups: list[int], folds: int, seed: int) -> None:
    if len({*groups}) < folds:
        return
    found = folds_of(grouped(groups), folds, seed).tolist()
    assert len({*zip(groups, found, strict=True)}) == len({*groups})


@settings(deadline=None, max_examples=100)
@given(GROUPS, st.integers(2, 7), st.integers(0, 5))
def test_sizes_differ_by_at_most_the_largest_group(
    groups: list[int], folds: int, seed: int
) -> None:
    counts = [groups.count(group) for group in {*groups}]
    if len(counts) < folds:
        return
    sizes = torch.bincount(folds_of(grouped(groups), folds, seed), minlength=folds)
    assert sizes.min() > 0
    assert sizes.max() - sizes.min() <= max(counts)
    if counts.count(1) >= (folds - 1) * max(counts):
        assert sizes.max() - sizes.min() <= 1


@settings(deadline=None, max_examples=50)
@given(GROUPS, st.integers(2, 7), st.integers(0, 5))
def test_sizes_are_those_of_dealing_group_by_group(
    groups: list[int], folds: int, seed: int
) -> None:
    counts = sorted((groups.count(group) for group in {*groups}), reverse=True)
    if len(counts) < folds or max(counts) == 1:
        return
    expected = [0] * folds
    for count in counts:  # from the largest on, each to the smallest fold
        expected[expected.index(min(expected))] += count
    sizes = torch.bincount(folds_of(grouped(groups), folds, seed), minlength=folds)
    assert sizes.tolist() == expected


@settings(deadline=None, max_examples=50)
@given(st.integers(7, 60), st.integers(2, 7), st.integers(0, 5))
def test_groups_of_one_row_are_as_no_groups(rows: int, folds: int, seed: int) -> None:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows) % folds)
    assert torch.equal(folds_of(grouped(None, rows), folds, seed), order)
    assert torch.equal(folds_of(grouped([*range(rows)]), folds, seed), order)
    assert torch.equal(folds_of(grouped([*range(9, rows + 9)]), folds, seed), order)


def test_the_numbers_of_groups_may_have_gaps() -> None:
    groups = [4, 4, 0, 7, 9, 9, 9, 2, 1]
    far = [10**9 + group for group in groups]
    found = folds_of(grouped(groups), 3, SEED)
    assert torch.equal(folds_of(grouped(far), 3, SEED), found)


def test_grouped_folds_depend_on_the_seed() -> None:
    groups = [number // 2 for number in range(100)]
    first = folds_of(grouped(groups), 5, 1)
    assert torch.equal(folds_of(grouped(groups), 5, 1), first)
    assert not torch.equal(folds_of(grouped(groups), 5, 2), first)


@pytest.mark.parametrize("rows", [grouped([0, 0, 1, 1]), grouped(None, 2)])
def test_fewer_groups_than_folds_are_an_error(rows: RowTensors) -> None:
    with pytest.raises(DataError) as error:
        folds_of(rows, 3, 0)
    assert "the split's key" in str(error.value)
    assert "folds" in str(error.value)
    assert "got: 2" in str(error.value)
