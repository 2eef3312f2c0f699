"""Keys that are in several splits."""

import numpy as np
import polars as pl
import pytest

from emm.data.datasets.split_rules import ByKey, ByTime, HeldOut, Randomly, Split
from emm.data.prepare.checks.keys import not_disjoint, shared_keys
from tests.data.prepare.checks.tables import Splits, binary_rows, own_splits, schema_of

BY_KEY = ByKey("uid", 0.2, 0.2)


def with_keys(**keys: list[int | None]) -> Splits:
    """Splits with a column ``uid`` of these values."""
    return {
        name: binary_rows(0, len(values), uid=pl.Series(values, dtype=pl.Int64))
        for name, values in keys.items()
    }


def faults(splits: Splits, split: Split, key: str | None = "uid") -> list[str]:
    schema = schema_of(splits["train"], key=key)
    return not_disjoint(own_splits(splits, schema), split, schema)


SHARED = with_keys(train=[1, 1, 2, 3], validation=[2, 4], test=[2, 3, 5])


def test_distinct_keys_are_counted_for_each_pair_and_rows_for_train() -> None:
    splits = {**SHARED, **with_keys(test=[2, 3, 5, 3, None])}
    schema = schema_of(splits["train"], key="uid")
    found = shared_keys(own_splits(splits, schema), "uid", schema)
    assert list(found.both.values()) == [1, 2, 1]
    assert found.rows == {"validation": 1, "test": 3}


def test_a_missing_key_is_not_shared() -> None:
    splits = with_keys(train=[None, 1], validation=[None, 2], test=[None, 3])
    assert faults(splits, BY_KEY) == []


@pytest.mark.parametrize("split", [ByTime("day", 0.1, 0.1), Randomly(0.1, 0.1)])
def test_other_rules_may_share_keys(split: Split) -> None:
    assert faults(SHARED, split) == []


def test_a_split_by_key_shares_none() -> None:
    found = faults(SHARED, BY_KEY)
    pairs = {"train and validation": 1, "train and test": 2, "validation and test": 1}
    assert found == [
        f"{count} values of 'uid' are in both of {pair}, which the split by key must keep apart"
        for pair, count in pairs.items()
    ]


def test_a_held_out_share_of_keys_is_apart_from_train_only() -> None:
    found = faults(SHARED, HeldOut(0.1, "uid"))
    assert len(found) == 1
    assert "train and validation" in found[0]
    assert faults(SHARED, HeldOut(0.1)) == []


def encoded(users: int, rows: int) -> Splits:
    """A split by key whose key is a sparse feature: ids of users that train lacks are 0."""
    user = np.random.default_rng(0).integers(0, users, rows)
    places = {"train": user < 0.8 * users, "validation": user >= 0.9 * users}
    places["test"] = ~(places["train"] | places["validation"])
    return {
        name: binary_rows(0, int(here.sum())).with_columns(
            pl.Series("id", np.where(user[here] < 0.8 * users, user[here] + 1, 0).astype(np.int32))
        )
        for name, here in places.items()
    }


def test_unseen_users_with_id_0_are_not_shared() -> None:
    splits = encoded(40, 2000)
    assert faults(splits, ByKey("id", 0.1, 0.1), "id") == []
    schema = schema_of(splits["train"], key="id")
    found = shared_keys(own_splits(splits, schema), "id", schema)
    assert found.rows == {"validation": 0, "test": 0}


def test_encoded_users_of_train_in_another_split_are_a_fault() -> None:
    splits = encoded(40, 2000)
    splits["test"] = splits["test"].with_columns(pl.lit(7, pl.Int32).alias("id"))
    (fault,) = faults(splits, ByKey("id", 0.1, 0.1), "id")
    assert fault.startswith("1 values of 'id' are in both of train and test")


def test_a_split_by_a_sparse_feature_that_is_not_the_key_is_checked() -> None:
    splits = encoded(40, 2000)
    splits["test"] = splits["test"].with_columns(pl.lit(7, pl.Int32).alias("id"))
    assert len(faults(splits, ByKey("id", 0.1, 0.1), None)) == 1


def test_a_split_by_a_column_that_is_not_stored_is_not_checked() -> None:
    assert faults(SHARED, ByKey("visit", 0.1, 0.1)) == []
