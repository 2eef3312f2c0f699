"""The names, types and values of an exported model's tensors."""

import re

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from emm.data.tables.inputs import SPARSE, Input, ValueType
from emm.export.columns import GraphInput, signature_of
from emm.export.feed import feed
from emm.predict.encoder import Encoder
from tests.export.small import small_encoder


def with_values(values: list[str], type_: ValueType = "text") -> Encoder:
    """A small encoder whose first sparse column knows these values."""
    encoder = small_encoder()
    known = pl.DataFrame(
        {"column": "s0", "value": values, "id": range(1, len(values) + 1), "rows": 9},
        schema=encoder.vocabularies.schema,
    )
    others = encoder.vocabularies.filter(column="s1")
    columns = [
        Input("s0", SPARSE, type_) if each.name == "s0" else each for each in encoder.inputs.columns
    ]
    encoder.vocabularies = pl.concat([known, others])
    encoder.inputs = type(encoder.inputs)(tuple(columns))
    return encoder


def tensor(encoder: Encoder, column: str = "s0") -> GraphInput:
    inputs = signature_of(encoder, ("t0", "t1")).inputs
    return next(each for each in inputs if each.column == column)


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        (["7", "-3"], "integer", "double"),
        (["9007199254740991"], "integer", "double"),
        (["9007199254740992"], "integer", "text"),
        (["9007199254740993"], "integer", "text"),
        (["18446744073709551615"], "unsigned", "text"),
        (["2.5", "3"], "number", "double"),
        (["0", "-0"], "number", "text"),
        (["7", "-3"], "text", "text"),
        (["true", "false"], "boolean", "text"),
    ],
)
def test_sparse_columns_are_doubles_where_these_tell_values_apart(
    values: list[str], type_: ValueType, expected: str
) -> None:
    assert tensor(with_values(values, type_)).type == expected


def test_a_missing_text_is_empty_unless_that_is_a_value() -> None:
    assert tensor(with_values(["a"])).missing == ""
    assert tensor(with_values(["", "<missing>"])).missing == "<missing>_2"


def test_names_are_those_that_any_server_accepts() -> None:
    encoder = small_encoder(("is it?", "is-it", "größe"))
    signature = signature_of(encoder, encoder.schema.tasks, raw={"d0 ": "number", "s0": "text"})
    names = [each.name for each in (*signature.inputs, *signature.outputs)]
    assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)
    assert len({*names}) == len(names)


def test_columns_of_members_are_inputs_only_once() -> None:
    inputs = signature_of(small_encoder(), ("t0",), raw={"s0": "text", "more": "text"}).inputs
    assert [each.column for each in inputs if each.role == "member"] == ["more"]


def test_a_funnel_has_its_steps_besides_the_tasks() -> None:
    outputs = signature_of(small_encoder(("a", "ctr")), ("a", "ctr"), ("a", "ctr")).outputs
    assert [each.name for each in outputs if each.step] == ["ctr", "cvr", "ctcvr"]


def test_missing_values_are_what_the_tensor_has_for_them() -> None:
    rows = pl.DataFrame({"t": ["a", None], "n": ["1.5", " "], "i": [3, None]})
    given = [
        GraphInput("t", "t", "sparse", "text", "<missing>"),
        GraphInput("n", "n", "dense", "double"),
        GraphInput("i", "i", "sparse", "double"),
    ]
    found = feed(rows, given)
    assert found["t"].tolist() == [["a"], ["<missing>"]]
    np.testing.assert_array_equal(found["n"], [[1.5], [np.nan]])
    np.testing.assert_array_equal(found["i"], [[3.0], [np.nan]])


def test_items_are_padded_to_the_longest_list() -> None:
    rows = pl.DataFrame({"b": [["x", None, "y"], [], None]})
    found = feed(rows, [GraphInput("b", "b", "bag", "text", "")])["b"]
    assert found.tolist() == [["x", "y", ""], ["", "", ""], ["", "", ""]]


def test_text_in_place_of_numbers_is_refused() -> None:
    with pytest.raises(DataError, match="'n' holds values that aren't numbers"):
        feed(pl.DataFrame({"n": ["1", "one"]}), [GraphInput("n", "n", "dense", "double")])


def test_a_missing_column_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ParamsError, match="no column 'age'; did you mean 'ages'"):
        feed(pl.DataFrame({"ages": [1]}), [GraphInput("age", "age", "dense", "double")])
