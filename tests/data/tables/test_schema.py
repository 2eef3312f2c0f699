import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.prepare.encode import fit_dense, scale_dense
from emm.data.tables.schema import FORMAT, Schema, Split, load_schema, write_schema

SCHEMA = Schema(
    format=FORMAT,
    dataset="tiny",
    title="Tiny",
    licence="CC0",
    origin="",
    tasks=("a", "b"),
    key=None,
    weight=None,
    dense=(),
    sparse=(),
    splits={"train": Split(3, {"a": 0.5, "b": 0.25})},
    vocabularies={"file": "vocabularies.parquet", "sha256": "0"},
)


def test_a_schema_is_loaded_as_it_was_written(tmp_path: Path) -> None:
    write_schema(SCHEMA, tmp_path / "schema.json")
    assert load_schema(tmp_path / "schema.json") == SCHEMA


def test_a_funnel_is_written_only_if_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    write_schema(replace(SCHEMA, funnel=("b", "a")), path)
    assert load_schema(path).funnel == ("b", "a")
    assert load_schema(path).steps == (1, 0)
    write_schema(SCHEMA, path)
    assert "funnel" not in path.read_text()
    assert load_schema(path).steps == ()


def test_classes_and_labelled_rows_are_written_only_if_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    write_schema(SCHEMA, path)
    assert not {"classes", "labelled", "class_rates", "kinds"} & {*json.loads(path.read_text())}
    assert set(json.loads(path.read_text())["splits"]["train"]) == {"rows", "positive_rate"}
    split = Split(3, {"a": 0.5}, class_rates={"b": (0.5, 0.5)}, labelled={"a": 2, "b": 2})
    names = {"b": ("low", "high")}
    kinds = {"a": "binary", "b": "classes"}
    schema = replace(SCHEMA, splits={"train": split}, kinds=kinds, classes=names)
    write_schema(schema, path)
    assert load_schema(path) == schema
    assert load_schema(path).outputs == (1, 2)
    assert load_schema(path).partly_labelled
    assert split.labelled_rows("a") == 2
    assert SCHEMA.splits["train"].labelled_rows("a") == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read"),
        ("[]", "another format"),
        (json.dumps({"format": FORMAT + 1}), "another format"),
        (json.dumps({"format": FORMAT, "tasks": 3}), "damaged"),
    ],
)
def test_a_damaged_schema_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load_schema(tmp_path / "schema.json")


def test_edges_are_the_quantiles_of_the_stored_values() -> None:
    values = np.random.default_rng(0).lognormal(3, 2, 500)
    columns = fit_dense(pl.LazyFrame({"x": values, "same": np.full(500, 7.0)}), ["x", "same"])
    schema = replace(SCHEMA, dense=columns)
    for column, edges in zip(columns, schema.edges, strict=True):
        frame = pl.DataFrame({"x": column.quantiles, "same": column.quantiles})
        stored = frame.select(scale_dense(columns))[column.name]
        assert np.array_equal(np.float32(edges), stored.to_numpy())
    assert len(schema.edges[0]) > 60
    assert schema.edges[1] == (0.0,)


def test_scaled_agrees_with_the_stored_values() -> None:
    (column,) = fit_dense(pl.LazyFrame({"x": [10.0, 20.0, 30.0]}), ["x"])
    assert [column.scaled(x) for x in (10.0, 15.0, 30.0, 50.0)] == [0.0, 0.25, 1.0, 2.0]
