"""Rows of validation and test that repeat rows of train."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.data.prepare.checks import duplicates
from emm.data.prepare.checks.duplicates import (
    Repeated,
    count_repeated,
    repeated_rows,
    seen_rows,
    warnings,
)
from emm.data.prepare.checks.table import open_split
from emm.data.tables.names import BAG, BAGS, label_column
from emm.data.tables.schema import BagColumn, Schema
from tests.data.prepare.checks.tables import (
    Splits,
    binary_rows,
    own,
    schema_of,
    three,
    write_splits,
)

LABEL = label_column("t")


def count(train: pl.DataFrame, rows: pl.DataFrame, schema: Schema | None = None) -> Repeated:
    schema = schema or schema_of(train)
    return count_repeated(own(train, schema), own(rows, schema), schema)


def slow_count(train: pl.DataFrame, rows: pl.DataFrame) -> tuple[int, int]:
    """Rows with a train row's features, and with its labels too, by comparison of tuples."""
    features = {row[:-1] for row in train.rows()}
    both = set(train.rows())
    return (
        sum(row[:-1] in features for row in rows.rows()),
        sum(row in both for row in rows.rows()),
    )


def few_combinations(seed: int, rows: int, rate: float = 0.4) -> pl.DataFrame:
    """Rows of two small columns, 24 combinations in all, and a label that they hardly explain."""
    generator = np.random.default_rng(seed)
    color, size = generator.integers(0, 6, rows), generator.integers(0, 4, rows)
    label = generator.random(rows) < rate + 0.05 * (color - 2.5)
    return pl.DataFrame(
        {
            "number": size.astype(np.float32),
            "id": color.astype(np.int32),
            LABEL: label.astype(np.uint8),
        }
    )


def test_counts_are_those_of_comparing_all_values() -> None:
    train, rows = few_combinations(0, 20), few_combinations(1, 300)
    found = count(train, rows)
    assert (found.rows, found.alike, found.same) == (300, *slow_count(train, rows))
    assert 0 < found.same < found.alike < 300


def test_agreement_is_chance_corrected() -> None:
    train, rows = few_combinations(0, 50), few_combinations(1, 200)
    twins = [[a[-1] == b[-1] for b in train.rows() if b[:-1] == a[:-1]] for a in rows.rows()]
    agreeing = np.mean([np.mean(each) for each in twins if each])
    ones, others = train[LABEL].mean(), rows[LABEL].mean()
    chance = ones * others + (1 - ones) * (1 - others)  # type: ignore[operator]
    expected = 1 - (1 - agreeing) / (1 - chance)
    assert count(train, rows).agreement == pytest.approx(expected)


def test_train_in_several_parts_gives_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    train, rows = few_combinations(0, 60), few_combinations(1, 300)
    expected = count(train, rows)
    monkeypatch.setattr(duplicates, "_ROWS", 9)
    assert count(train, rows) == pytest.approx(expected)


def test_repeated_rows_of_a_random_split_are_a_fault() -> None:
    rows = pl.concat([binary_rows(0, 300)] * 8).sample(fraction=1, shuffle=True, seed=0)
    splits = three(rows)
    found = {name: count(splits["train"], splits[name]) for name in ("validation", "test")}
    first, second = repeated_rows(found, 0.05)
    assert first.startswith("validation: 240 of 240 rows (100.0%, more than 5.0%) have")
    assert second.startswith("test: 240 of 240 rows")
    assert "`split: {by: key, column: ...}`" in first


def test_positives_written_several_times_are_a_fault() -> None:
    rows = binary_rows(0, 2000, 0.1)
    splits = three(pl.concat([rows, *[rows.filter(pl.col(LABEL) == 1)] * 5]))
    assert repeated_rows({"test": count(splits["train"], splits["test"])}, 0.05)


def test_distinct_rows_are_not_repeated() -> None:
    splits = three(binary_rows(0, 2000))
    assert count(splits["train"], splits["test"]).same == 0


def test_coincidences_of_few_combinations_are_no_fault() -> None:
    splits = three(few_combinations(0, 3000))
    found = {"test": count(splits["train"], splits["test"])}
    assert found["test"].share > 0.99
    assert abs(found["test"].agreement) < 0.5
    assert not repeated_rows(found, 0.05)
    assert not warnings(found)


def test_a_rare_label_makes_coincidences_no_fault() -> None:
    splits = three(few_combinations(0, 30_000, 0.13))
    found = {"test": count(splits["train"], splits["test"])}
    assert found["test"].share > 0.99
    assert not repeated_rows(found, 0.05)


@pytest.mark.parametrize(("same", "stops", "warned"), [(51, 1, 1), (50, 0, 1), (10, 0, 0)])
def test_a_share_stops_above_the_limit_and_warns_above_one_percent(
    same: int, stops: int, warned: int
) -> None:
    found = {"test": Repeated(1000, same, same, 1.0)}
    assert (len(repeated_rows(found, 0.05)), len(warnings(found))) == (stops, warned)


def test_all_rows_repeated_may_be_allowed() -> None:
    found = {"test": Repeated(10, 10, 10, 1.0)}
    assert not repeated_rows(found, 1.0)
    assert "test: 100.0% of the rows" in warnings(found)[0]


def test_a_missing_label_is_no_zero() -> None:
    train = few_combinations(0, 50).with_columns(pl.lit(0, pl.UInt8).alias(LABEL))
    unknown = train.with_columns(pl.lit(None, pl.UInt8).alias(LABEL))
    assert (count(train, unknown).alike, count(train, unknown).same) == (50, 0)
    assert count(unknown, unknown).same == 50


def test_the_labels_of_all_tasks_must_agree() -> None:
    train = few_combinations(0, 50).with_columns(pl.lit(0, pl.UInt8).alias("label:u"))
    other = train.with_columns(pl.lit(1, pl.UInt8).alias("label:u"))
    schema = schema_of(train, ("t", "u"))
    assert count(train, other, schema)[1:3] == (50, 0)


def test_the_key_and_kept_columns_do_not_distinguish_rows() -> None:
    rows = binary_rows(0, 50, uid=np.arange(50))
    other = rows.with_columns(uid=pl.col("uid") + 100, kept=pl.lit("x"))
    assert count(rows, other, schema_of(rows, key="uid")).same == 50


def with_bags(folder: Path, splits: Splits, words: list[list[list[int]]]) -> Schema:
    """Write splits in which every row has bags of its own, ``words``."""
    write_splits(folder, splits)
    names = ("first", "second")
    pl.DataFrame(dict(zip(names, words, strict=True))).write_parquet(folder / BAGS)
    schema = schema_of(splits["train"].drop(BAG))
    fields = tuple(BagColumn(name, 9, 0, 3) for name in names)
    return Schema(**{**vars(schema), "bags": fields})


def test_rows_with_other_bags_are_not_repeated(tmp_path: Path) -> None:
    same = binary_rows(0, 1).drop("id")
    splits = {
        "train": same.with_columns(pl.lit(0, pl.Int32).alias(BAG)),
        "validation": same.with_columns(pl.lit(1, pl.Int32).alias(BAG)),
        "test": same.with_columns(pl.lit(2, pl.Int32).alias(BAG)),
    }
    schema = with_bags(tmp_path, splits, [[[1, 2], [1, 2], [1, 2]], [[3], [3], []]])
    train, validation, test = (open_split(tmp_path, name, schema) for name in splits)
    assert count_repeated(train, validation, schema).same == 1
    assert count_repeated(train, test, schema).same == 0


@pytest.mark.parametrize("part", [2**24, 7])
def test_seen_rows_are_those_whose_features_train_has(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "_ROWS", part)
    train, schema = few_combinations(0, 20), schema_of(few_combinations(0, 20))
    splits = {name: few_combinations(seed, 50) for seed, name in enumerate(["validation", "test"])}
    found = seen_rows(
        own(train, schema), {name: own(rows, schema) for name, rows in splits.items()}, schema
    )
    known = {row[:-1] for row in train.rows()}
    expected = [(name, row[:-1] in known) for name, rows in splits.items() for row in rows.rows()]
    assert found.schema == {"split": pl.String, "seen": pl.Boolean}
    assert found.rows() == expected
    assert 0 < found["seen"].sum() < len(found)
    counted = count_repeated(own(train, schema), own(splits["test"], schema), schema)
    assert found.filter(split="test")["seen"].sum() == counted.alike
