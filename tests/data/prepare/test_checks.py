from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from emm.core.errors import DataError
from emm.data.prepare.checks import check, column_aucs
from emm.data.tables.schema import (
    FORMAT,
    SPLITS,
    DenseColumn,
    Schema,
    SparseColumn,
    Split,
    Target,
    label_column,
)

LABEL = label_column("t")
ROWS = 400


def frame(seed: int, rows: int = ROWS) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, rows)
    return pl.DataFrame(
        {
            "number": (label + generator.normal(0, 1.5, rows)).round(1).astype(np.float32),
            "id": generator.integers(0, 4, rows).astype(np.int32),
            LABEL: label.astype(np.uint8),
            "key": np.arange(rows) + 10_000 * seed,
        }
    )


def schema_of(splits: dict[str, pl.DataFrame], key: str | None = "key") -> Schema:
    return Schema(
        format=FORMAT,
        dataset="tiny",
        title="Tiny",
        licence="",
        origin="",
        tasks=("t",),
        key=key,
        weight=None,
        dense=(DenseColumn("number", 0.0, 1.0, 0.5, 0.1, 0, constant=False, quantiles=()),),
        sparse=(SparseColumn("id", 4, 0, constant=False),),
        splits={n: Split(len(s), {"t": float(s[LABEL].mean())}) for n, s in splits.items()},  # type: ignore[arg-type]
        vocabularies={},
    )


@pytest.fixture
def splits() -> dict[str, pl.DataFrame]:
    return {name: frame(seed) for seed, name in enumerate(SPLITS)}


def run(folder: Path, splits: dict[str, pl.DataFrame], schema: Schema | None = None) -> object:
    for name, rows in splits.items():
        rows.write_parquet(folder / f"{name}.parquet")
    return check(folder, schema or schema_of(splits), max_column_auc=0.995, rate_tolerance=0.2)


def test_good_data_passes_and_returns_observations(
    tmp_path: Path, splits: dict[str, pl.DataFrame]
) -> None:
    seen = run(tmp_path, splits)
    assert seen["shared_keys"] == {"train, validation": 0, "train, test": 0, "validation, test": 0}
    assert seen["rows"] == dict.fromkeys(SPLITS, ROWS)
    assert 0.5 < seen["column_auc"]["t"]["number"] < 0.9


def test_the_auc_of_a_dense_column_is_that_of_scikit_learn(splits: dict[str, pl.DataFrame]) -> None:
    train = splits["train"]
    found = column_aucs(train.lazy(), schema_of(splits))["t"]["number"]
    assert found == pytest.approx(roc_auc_score(train[LABEL], train["number"]), abs=1e-12)


def test_the_auc_of_a_sparse_column_ranks_by_means_of_other_rows(
    splits: dict[str, pl.DataFrame],
) -> None:
    train = splits["train"].with_columns(id=pl.col(LABEL).cast(pl.Int32) + 1)
    learned, rest = train.gather_every(2), train.gather_every(2, 1)
    means = dict(learned.group_by("id").agg(pl.col(LABEL).mean()).rows())
    expected = roc_auc_score(rest[LABEL], [means[i] for i in rest["id"]])
    assert column_aucs(train.lazy(), schema_of(splits))["t"]["id"] == pytest.approx(expected)


def test_a_unique_key_as_a_feature_is_not_a_leak(splits: dict[str, pl.DataFrame]) -> None:
    train = splits["train"].with_columns(id=pl.int_range(pl.len(), dtype=pl.Int32))
    assert column_aucs(train.lazy(), schema_of(splits))["t"]["id"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_label_as_a_dense_feature_is_found(
    tmp_path: Path, splits: dict[str, pl.DataFrame], sign: int
) -> None:
    leaky = {
        n: s.with_columns(number=pl.col(LABEL).cast(pl.Float32) * sign) for n, s in splits.items()
    }
    with pytest.raises(DataError, match=r"'number' alone ranks 't' with AUC 1\.0000"):
        run(tmp_path, leaky)


def test_the_label_as_a_sparse_feature_is_found(
    tmp_path: Path, splits: dict[str, pl.DataFrame]
) -> None:
    leaky = {n: s.with_columns(id=pl.col(LABEL).cast(pl.Int32)) for n, s in splits.items()}
    with pytest.raises(DataError, match=r"'id' alone ranks 't' with AUC 1\.0000"):
        run(tmp_path, leaky)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit(4, pl.Int32).alias("id"), "train: the column 'id' has 400 ids outside of"),
        (pl.lit(-1, pl.Int32).alias("id"), "train: the column 'id' has 400 ids outside of"),
        (pl.lit(None, pl.Float32).alias("number"), "train: the column 'number' has 400 missing"),
        (pl.lit(np.nan, pl.Float32).alias("number"), "train: the column 'number' has 400 missing"),
        (pl.lit(0.5, pl.Float32).alias("number"), "train: the column 'number' is constant"),
        (pl.lit(1, pl.Int32).alias("id"), "train: the column 'id' is constant"),
    ],
)
def test_invalid_ids_missing_values_and_constants_are_found(
    tmp_path: Path, splits: dict[str, pl.DataFrame], change: pl.Expr, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        run(tmp_path, {**splits, "train": splits["train"].with_columns(change)})


def test_a_declared_constant_passes(tmp_path: Path, splits: dict[str, pl.DataFrame]) -> None:
    constant = {n: s.with_columns(number=pl.lit(0.0, pl.Float32)) for n, s in splits.items()}
    schema = schema_of(constant)
    declared = replace(schema, dense=(replace(schema.dense[0], constant=True),))
    assert run(tmp_path, constant, declared)


def test_keys_in_two_splits_are_found(tmp_path: Path, splits: dict[str, pl.DataFrame]) -> None:
    splits["test"] = splits["test"].with_columns(
        key=pl.when(pl.int_range(pl.len()) < 3).then(pl.int_range(pl.len())).otherwise("key")
    )
    with pytest.raises(DataError, match="3 keys are in both of train, test"):
        run(tmp_path, splits)


def test_a_drifting_rate_is_found(tmp_path: Path, splits: dict[str, pl.DataFrame]) -> None:
    rare = splits["test"].filter((pl.col(LABEL) == 0) | (pl.int_range(pl.len()) % 4 == 0))
    with pytest.raises(DataError, match=r"test: .* of 't' are positive"):
        run(tmp_path, {**splits, "test": rare})


def test_all_faults_are_in_one_error(tmp_path: Path, splits: dict[str, pl.DataFrame]) -> None:
    broken = splits["train"].with_columns(number=pl.lit(0.5, pl.Float32), id=pl.lit(9, pl.Int32))
    with pytest.raises(DataError) as caught:
        run(tmp_path, {**splits, "train": broken})
    assert "'number' is constant" in str(caught.value)
    assert "outside of its vocabulary" in str(caught.value)


def regression(seed: int) -> pl.DataFrame:
    """The same columns with a standardised value as label."""
    rows = frame(seed)
    value = rows["number"] + np.random.default_rng(seed + 10).normal(0, 1, ROWS)
    standardised = ((value - value.mean()) / value.std(ddof=0)).cast(pl.Float32)
    return rows.with_columns(standardised.alias(LABEL))


def schema_of_regression(splits: dict[str, pl.DataFrame]) -> Schema:
    return replace(
        schema_of(splits),
        splits={n: Split(len(s), {}, {"t": float(s[LABEL].mean())}) for n, s in splits.items()},  # type: ignore[arg-type]
        kinds={"t": "regression"},
        targets={"t": Target(500.0, 20.0)},
    )


@pytest.fixture
def values() -> dict[str, pl.DataFrame]:
    return {name: regression(seed) for seed, name in enumerate(SPLITS)}


def test_a_good_regression_passes_and_returns_its_means(
    tmp_path: Path, values: dict[str, pl.DataFrame]
) -> None:
    seen = run(tmp_path, values, schema_of_regression(values))
    assert seen["mean"] == {n: {"t": pytest.approx(0, abs=1e-6)} for n in SPLITS}
    assert seen["positive_rate"] == {name: {} for name in SPLITS}


def test_binary_data_has_no_means(tmp_path: Path, splits: dict[str, pl.DataFrame]) -> None:
    assert "mean" not in run(tmp_path, splits)


def test_the_auc_for_a_regression_is_that_of_labels_above_the_mean(
    values: dict[str, pl.DataFrame],
) -> None:
    train = values["train"]
    found = column_aucs(train.lazy(), schema_of_regression(values))["t"]["number"]
    assert found == pytest.approx(roc_auc_score(train[LABEL] > 0, train["number"]), abs=1e-12)


@pytest.mark.parametrize("name", ["number", "id"])
def test_the_label_of_a_regression_as_a_feature_is_found(
    tmp_path: Path, values: dict[str, pl.DataFrame], name: str
) -> None:
    kind = {"number": pl.Float32, "id": pl.Int32}[name]
    leak = pl.col(LABEL) * -3 if name == "number" else pl.col(LABEL) > 0
    leaky = {n: s.with_columns(leak.cast(kind).alias(name)) for n, s in values.items()}
    with pytest.raises(DataError, match=rf"'{name}' alone ranks 't' with AUC 1\.0000"):
        run(tmp_path, leaky, schema_of_regression(leaky))


@pytest.mark.parametrize("shift", [0.21, -0.21])
def test_a_drifting_mean_is_found(
    tmp_path: Path, values: dict[str, pl.DataFrame], shift: float
) -> None:
    values["test"] = values["test"].with_columns(pl.col(LABEL) + shift)
    with pytest.raises(DataError, match=rf"test: the mean of 't' is [+]?{shift:.4f} standard"):
        run(tmp_path, values, schema_of_regression(values))


def test_a_mean_within_the_tolerance_passes(
    tmp_path: Path, values: dict[str, pl.DataFrame]
) -> None:
    values["test"] = values["test"].with_columns(pl.col(LABEL) + 0.19)
    assert run(tmp_path, values, schema_of_regression(values))
