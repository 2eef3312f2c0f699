"""What is kept of train to compare new rows with: against counts by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.data.prepare.about_train import MOST_EDGES, bin_counts, edges_of, train_bins, with_train
from emm.data.tables.inputs import Inputs
from emm.data.tables.names import label_column
from emm.data.tables.schema import DenseColumn, Split
from tests.training.tiny import SCHEMA

MANY = tuple(float(n) for n in range(1, 64))
COLUMN = DenseColumn("x", 0.0, 64.0, 16.0, 1.0, 3, constant=False, quantiles=MANY)


def write(folder: Path, **columns: object) -> Path:
    pl.DataFrame(columns).write_parquet(folder / "train.parquet")
    return folder


def test_edges_are_some_quantiles_as_they_are_stored() -> None:
    edges = edges_of(COLUMN)
    assert len(edges) == MOST_EDGES
    assert edges.dtype == np.float32
    assert {*edges.tolist()} <= {float(np.float32(n / 64)) for n in MANY}
    assert (np.diff(edges) > 0).all()


@pytest.mark.parametrize(
    ("quantiles", "edges"), [((), []), ((0.0,), []), ((0.0, 32.0), [0.5]), ((64.0,), [1.0])]
)
def test_few_quantiles_are_few_edges(quantiles: tuple[float, ...], edges: list[float]) -> None:
    assert edges_of(replace(COLUMN, quantiles=quantiles)).tolist() == edges


def test_a_value_at_an_edge_is_above_it() -> None:
    edges = np.array([0.25, 0.5], np.float32)
    values = pl.Series([0.0, 0.25, 0.3, 0.5, 2.0], dtype=pl.Float32)
    assert bin_counts(values, edges).tolist() == [1, 2, 2]


def test_missing_values_have_a_bin_of_their_own(tmp_path: Path) -> None:
    column = replace(COLUMN, quantiles=(16.0, 32.0))
    schema = replace(SCHEMA, dense=(column,), splits={"train": Split(10, {})})
    stored = pl.Series([0.0, 0.1, 0.25, 0.25, 0.25, 0.25, 0.3, 0.5, 0.9, 1.0], dtype=pl.Float32)
    bins = train_bins(write(tmp_path, x=stored) / "train.parquet", schema)["x"]
    assert bins.edges == (0.25, 0.5)
    assert bins.shares == (0.2, 0.2, 0.3, 0.3)  # 3 of the 5 from 0.25 to 0.5 were missing


@pytest.mark.parametrize(
    ("click", "conversion", "given"),
    [
        ([0, 1, 1], [None, 0, 1], True),
        ([0, 1, 1], [0, 0, 1], False),
        ([None, 1, 1], [None, None, 1], True),
        ([0, 1, 0], [None, None, None], False),
    ],
)
def test_whether_conversions_are_known_after_a_click_only(
    tmp_path: Path, click: list[int | None], conversion: list[int | None], *, given: bool
) -> None:
    labels = {label_column("t0"): click, label_column("t1"): conversion}
    write(tmp_path, **labels)
    splits = {"train": Split(3, {}, labelled={"t0": 3, "t1": 2})}
    schema = replace(SCHEMA, dense=(), funnel=("t0", "t1"), splits=splits)
    assert with_train(Inputs(()), tmp_path, schema).given_click is given
