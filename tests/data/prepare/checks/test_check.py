"""All checks together: faults, observations, the table in the log, and names of columns."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.datasets.split_rules import ByTime, Randomly, Split
from emm.data.prepare.checks.check import check
from emm.data.prepare.settings import CheckSettings
from emm.data.tables.names import label_column
from emm.data.tables.schema import CLASSES, REGRESSION, Schema
from tests.data.prepare.checks.tables import Splits, binary_rows, schema_of, three, write_splits

LABEL = label_column("t")
LIMITS = CheckSettings(max_column_auc=0.99)


@pytest.fixture
def splits() -> Splits:
    return three(binary_rows(0, 1500))


def run(
    folder: Path,
    splits: Splits,
    schema: Schema | None = None,
    limits: CheckSettings = LIMITS,
    split: Split = Randomly(0.1, 0.1),  # noqa: B008 - frozen
) -> dict[str, Any]:
    write_splits(folder, splits)
    return check(folder, schema or schema_of(splits["train"], splits=splits), limits, split)


def test_good_data_passes_and_returns_observations(tmp_path: Path, splits: Splits) -> None:
    seen = run(tmp_path, splits)
    assert seen["rows"] == {"train": 1200, "validation": 150, "test": 150}
    assert seen["labelled"] == {name: {"t": rows} for name, rows in seen["rows"].items()}
    assert seen["positives"] == {name: {"t": rows[LABEL].sum()} for name, rows in splits.items()}
    assert seen["repeated_rows"] == {"validation": 0, "test": 0}
    assert (seen["shared_keys"], seen["rows_of_shared_keys"], seen["warnings"]) == ({}, {}, [])
    assert 0.5 < seen["column_auc"]["t"]["number"] < 0.9
    assert not {"mean", "classes"} & set(seen)


def test_observations_know_classes_means_and_missing_labels(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    number = generator.integers(0, 3, 1500)
    value = np.where(generator.random(1500) < 0.2, np.nan, generator.normal(size=1500))
    rows = binary_rows(0, 1500).with_columns(
        pl.Series(LABEL, number.astype(np.uint16)),
        pl.Series(label_column("u"), value.astype(np.float32)).fill_nan(None),
    )
    splits = three(rows)
    kinds = {"t": CLASSES, "u": REGRESSION}
    schema = schema_of(rows, ("t", "u"), kinds=kinds, classes={"t": ("a", "b", "c")}, splits=splits)
    seen = run(tmp_path, splits, schema)
    test = splits["test"]
    counts = [int((test[LABEL] == c).sum()) for c in range(3)]
    assert seen["classes"]["test"]["t"] == dict(zip("abc", counts, strict=True))
    assert seen["labelled"]["test"] == {"t": 150, "u": test[label_column("u")].count()}
    assert seen["mean"]["test"]["u"] == pytest.approx(test[label_column("u")].mean(), abs=1e-5)
    assert "positives" not in seen


def test_observations_depend_on_no_setting(tmp_path: Path, splits: Splits) -> None:
    splits["test"] = pl.concat([splits["test"], splits["train"][:40]])
    schema = schema_of(splits["train"], splits=splits)
    strict = CheckSettings(0.9, 0.5, 0.01, 0.3)
    loose = CheckSettings(1.0, 9.0, 0.0, 1.0)
    seen = run(tmp_path, splits, schema, strict)
    assert seen == run(tmp_path, splits, schema, loose)
    assert len(seen["warnings"]) == 1


def test_a_split_by_time_may_share_keys_and_says_how_many(
    tmp_path: Path, splits: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, keys in {"train": 100, "validation": 50, "test": 120}.items():
        users = pl.int_range(pl.len(), dtype=pl.Int64) % keys
        splits[name] = splits[name].with_columns(uid=users)
    schema = schema_of(splits["train"], key="uid", splits=splits)
    seen = run(tmp_path, splits, schema, split=ByTime("day", 0.1, 0.1))
    assert list(seen["shared_keys"].values()) == [50, 100, 50]
    assert seen["rows_of_shared_keys"] == {"validation": 150, "test": 130}
    found = capsys.readouterr().err
    assert "test: 130 rows (86.7%) have a value of 'uid' that is in train, too" in found


def test_the_log_has_a_table_of_tasks_and_splits(
    tmp_path: Path, splits: Splits, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = pl.when(pl.int_range(pl.len()) >= 30).then(LABEL).alias(LABEL)
    splits["train"] = splits["train"].with_columns(hidden)
    run(tmp_path, splits)
    lines = capsys.readouterr().err.splitlines()
    positives = splits["train"][LABEL].sum()
    assert lines[0].split() == [
        "task",
        "split",
        "rows",
        "labelled",
        "positive",
        "or",
        "per",
        "class",
        "rate",
        "or",
        "mean",
    ]
    expected = ["t", "train", "1,200", "1,170", str(positives), f"{positives / 1170:.3%}"]
    assert lines[1].split() == expected
    assert lines[4].startswith("validation: 0 rows (0.0%) have the features and labels of a row")


def test_classes_are_listed_with_their_counts_and_rates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = binary_rows(0, 1500).with_columns(pl.col(LABEL).cast(pl.UInt16))
    splits = three(rows)
    schema = schema_of(rows, kinds={"t": CLASSES}, classes={"t": ("no", "yes")}, splits=splits)
    run(tmp_path, splits, schema)
    yes = int(splits["test"][LABEL].sum())
    assert f"no: {150 - yes}, yes: {yes}" in capsys.readouterr().err


def test_few_positives_in_test_are_a_warning_in_log_and_observations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = run(tmp_path, three(binary_rows(0, 2000, 0.1)))
    (warning,) = seen["warnings"]
    assert f"warning: {warning}" in capsys.readouterr().err
    assert "of 't' with the label 1: with fewer than 50" in warning


def test_all_faults_are_in_one_error(tmp_path: Path, splits: Splits) -> None:
    leaky = splits["train"].with_columns(number=pl.col(LABEL).cast(pl.Float32))
    other = splits["validation"].with_columns(pl.lit(9, pl.Int32).alias("id"))
    zero = splits["test"].with_columns(pl.lit(0, pl.UInt8).alias(LABEL))
    broken = {"train": leaky, "validation": other, "test": zero}
    with pytest.raises(DataError) as caught:
        run(tmp_path, broken, schema_of(splits["train"], splits=splits))
    found = str(caught.value)
    assert "'number' alone ranks 't'" in found
    assert "validation: the column 'id' has 150 ids outside of its vocabulary" in found
    assert "test: no row of 't' has the label 1" in found


def test_repeated_rows_stop_above_the_limit(tmp_path: Path) -> None:
    splits = three(pl.concat([binary_rows(0, 300)] * 8))
    with pytest.raises(DataError, match=r"test: 240 of 240 rows .* features and labels of a row"):
        run(tmp_path, splits)
    allowed = replace(LIMITS, max_shared_rows=1.0)
    assert run(tmp_path, splits, limits=allowed)["repeated_rows"] == {
        "validation": 240,
        "test": 240,
    }


def test_a_drifting_rate_stops(tmp_path: Path, splits: Splits) -> None:
    rare = splits["test"].filter((pl.col(LABEL) == 0) | (pl.int_range(pl.len()) % 6 == 0))
    with pytest.raises(DataError, match=r"test: .* of 't' are positive.*, below 0.001"):
        run(tmp_path, {**splits, "test": rare})


def test_honest_random_splits_of_a_rare_label_pass(tmp_path: Path) -> None:
    rows = binary_rows(0, 4000, 0.02)
    for seed in range(10):
        assert run(tmp_path, three(rows, seed), limits=replace(LIMITS, max_rate_difference=0.01))


ODD = ["score", "rows", "positives", "*", "^p.*$", "label:click", "__here", "x1", "y0", "key"]
ODD += ["bags", "features", "even0", "", " ", '"', "a.b"]


def test_no_name_of_a_column_collides_or_is_a_pattern(tmp_path: Path) -> None:
    rows, generator = binary_rows(0, 1500), np.random.default_rng(0)
    dense = {name: generator.normal(size=1500).astype(np.float32) for name in ODD}
    splits = three(rows.with_columns(**{"price": pl.lit(0.0)}).with_columns(pl.DataFrame(dense)))
    seen = run(tmp_path, splits)
    assert len(seen["column_auc"]["t"]) == 5
    leaky = {n: s.with_columns(s[LABEL].cast(pl.Float32).alias("^p.*$")) for n, s in splits.items()}
    with pytest.raises(DataError, match=r"the column '\^p\.\*\$' alone ranks 't' with AUC 1\.0000"):
        run(tmp_path, leaky)


NAMES = st.lists(
    st.sampled_from([*ODD, "labels", "same", "mean:y0", "rows:y0", "split", "column:*"])
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    min_size=4,
    max_size=4,
    unique=True,
).filter(lambda names: LABEL not in names)


@settings(max_examples=15, deadline=None)
@given(names=NAMES)
def test_observations_do_not_depend_on_the_names_of_columns(names: list[str]) -> None:
    rows = binary_rows(0, 400, uid=np.arange(400) % 90).with_columns(other=pl.col("id").reverse())
    renamed = dict(zip(["number", "id", "other", "uid"], names, strict=True))
    plain, odd = (
        of_table(table, key) for table, key in ((rows, "uid"), (rows.rename(renamed), names[3]))
    )
    aucs = plain.pop("column_auc")["t"]
    assert odd.pop("column_auc")["t"] == {renamed[name]: auc for name, auc in aucs.items()}
    assert plain == odd


def of_table(table: pl.DataFrame, key: str) -> dict[str, Any]:
    splits = three(table, shares=(0.3, 0.3))
    with TemporaryDirectory() as folder:
        return run(Path(folder), splits, schema_of(table, key=key, splits=splits))
