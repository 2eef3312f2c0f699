import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.data.tables.folds import fold_only, folds_of, without_fold
from emm.data.tables.rows import RowTensors

ROWS, FOLDS, SEEDS = st.integers(7, 60), st.integers(2, 7), st.integers(0, 5)


def numbered(rows: int) -> RowTensors:
    """Rows in which every column holds the row number or a function of it."""
    numbers = torch.arange(rows).unsqueeze(1)
    return RowTensors(
        numbers.float(), numbers.int(), numbers.byte(), numbers.float(), numbers[:, 0] / 2
    )


@settings(deadline=None, max_examples=50)
@given(ROWS, FOLDS, SEEDS)
def test_sizes_differ_by_one_row_at_most(rows: int, folds: int, seed: int) -> None:
    sizes = torch.bincount(folds_of(numbered(rows), folds, seed), minlength=folds)
    assert len(sizes) == folds
    assert sizes.sum() == rows
    assert sizes.max() - sizes.min() <= 1


@settings(deadline=None, max_examples=50)
@given(ROWS, FOLDS, SEEDS)
def test_a_fold_and_the_other_folds_are_all_rows_in_order(rows: int, folds: int, seed: int) -> None:
    data, found = numbered(rows), []
    for fold in range(folds):
        inside = fold_only(data, fold, folds, seed).sparse.flatten().tolist()
        outside = without_fold(data, fold, folds, seed).sparse.flatten().tolist()
        assert sorted(inside) == inside
        assert sorted(outside) == outside
        assert sorted(inside + outside) == list(range(rows))
        found += inside
    assert sorted(found) == list(range(rows))


def test_fold_only_agrees_with_folds_of() -> None:
    fold = folds_of(numbered(20), 3, seed=4)
    inside = fold_only(numbered(20), 1, 3, seed=4)
    assert inside.sparse.flatten().tolist() == (fold == 1).nonzero().flatten().tolist()


def test_all_columns_are_selected_alike() -> None:
    part = without_fold(numbered(20), 1, 3, seed=0)
    numbers = part.sparse.float()
    assert part.cached_predictions is not None
    assert part.weights is not None
    assert torch.equal(part.dense, numbers)
    assert torch.equal(part.labels.float(), numbers)
    assert torch.equal(part.cached_predictions, numbers)
    assert torch.equal(part.weights, numbers[:, 0] / 2)


def test_folds_depend_on_the_seed_but_not_on_other_draws() -> None:
    first = folds_of(numbered(50), 5, seed=1)
    torch.rand(3)
    assert torch.equal(folds_of(numbered(50), 5, seed=1), first)
    assert not torch.equal(folds_of(numbered(50), 5, seed=2), first)


def test_folds_are_the_same_in_every_version() -> None:
    assert folds_of(numbered(10), 3, seed=0).tolist() == [1, 0, 2, 1, 0, 2, 0, 0, 2, 1]
