"""inputs.json: how the columns of new rows are read."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.tables.inputs import (
    BAG_ROLE,
    DATE,
    DENSE,
    INPUTS,
    SPARSE,
    Bins,
    Input,
    Inputs,
    TextForm,
    inputs_of_kinds,
    load_inputs,
    type_of,
    unit_of,
    write_inputs,
)
from tests.training.tiny import SCHEMA

FORM = TextForm(";", ("", "NA"), ("a", "b"), "latin-1", ",", ".", ("a",), delimited=True)
FULL = Inputs(
    (
        Input("a", DENSE, "single"),
        Input("b", SPARSE, "datetime", unit="us Europe/Berlin", time="physical"),
        Input("c", DATE, dated=True, timed=True),
        Input("d", BAG_ROLE, separator="|"),
    ),
    FORM,
    given_click=True,
    bins={"a": Bins((0.1, 0.5), (0.2, 0.3, 0.4, 0.1))},
)


@pytest.mark.parametrize("inputs", [FULL, Inputs((Input("x", DENSE),))])
@pytest.mark.parametrize("place", [INPUTS, f"raw/{INPUTS}"])
def test_what_is_written_is_read(tmp_path: Path, inputs: Inputs, place: str) -> None:
    write_inputs(inputs, tmp_path / place)
    assert load_inputs(tmp_path, SCHEMA) == inputs


def test_defaults_are_left_out(tmp_path: Path) -> None:
    write_inputs(FULL, tmp_path / INPUTS)
    first = json.loads((tmp_path / INPUTS).read_text())["columns"][0]
    assert first == {"name": "a", "role": "dense", "type": "single"}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"columns": [{"name": "a", "role": "none"}]}', '{"columns": 1}']
)
def test_a_damaged_file_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / INPUTS).write_text(content)
    with pytest.raises(DataError, match="how new rows are read") as error:
        load_inputs(tmp_path, SCHEMA)
    assert "no model trains again" in str(error.value)


def test_a_known_dataset_is_read_by_the_kinds_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/columns.json").write_text('{"x": "number", "y": "text", "id": "integer"}')
    published = replace(SCHEMA, origin="https://example.org")
    expected = (Input("x", DENSE, "number"), Input("y", DENSE, "number"))
    expected = (*expected, Input("id", SPARSE, "integer"))
    assert load_inputs(tmp_path, published) == Inputs(expected)
    assert inputs_of_kinds(SCHEMA, {}).columns[2].type == "text"
    with pytest.raises(DataError, match="can't be read"):
        load_inputs(tmp_path, SCHEMA)  # own data, whose columns need more than kinds


@pytest.mark.parametrize(
    ("dtype", "name", "unit"),
    [
        (pl.String(), "text", None),
        (pl.Categorical(), "text", None),
        (pl.Null(), "text", None),
        (pl.Int8(), "integer", None),
        (pl.UInt32(), "integer", None),
        (pl.UInt64(), "unsigned", None),
        (pl.Float32(), "single", None),
        (pl.Float64(), "number", None),
        (pl.Decimal(9, 2), "number", None),
        (pl.Boolean(), "boolean", None),
        (pl.Date(), "date", None),
        (pl.Time(), "time", None),
        (pl.Datetime("ms"), "datetime", "ms"),
        (pl.Datetime("us", "Europe/Berlin"), "datetime", "us Europe/Berlin"),
        (pl.List(pl.Int64), "integer", None),
    ],
)
def test_the_type_in_which_values_were_read(dtype: pl.DataType, name: str, unit: str) -> None:
    assert (type_of(dtype), unit_of(dtype)) == (name, unit)
