import json

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from emm.trees.native.ubjson import DEEPEST, parse
from tests.trees.native.foreign_trees import make_rows, xgboost_booster, xgboost_matrix


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    return xgboost_booster(xgboost_matrix(*make_rows(), (3, 5, 6)), rounds=2)


def plain(value: object) -> object:
    """The document with lists instead of arrays, and numbers in single precision."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | np.ndarray):
        return [plain(each) for each in value]
    return float(np.float32(value)) if isinstance(value, int | float | np.number) else value


def test_a_document_is_that_of_the_json_file(booster: xgboost.Booster) -> None:
    found = parse(bytes(booster.save_raw("ubj")))
    assert plain(found) == plain(json.loads(booster.save_raw("json")))


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"Z", None),
        (b"[TFN]", [True, False]),
        (b"i\xff", -1),
        (b"I\x01\x02", 258),
        (b"D\x3f\xf0\x00\x00\x00\x00\x00\x00", 1.0),
        (b"Ca", "a"),
        (b"SU\x02\xc3\xa4", "ä"),
        (b"{U\x01a[]U\x01bZ}", {"a": [], "b": None}),
        (b"[#U\x02TF", [True, False]),
        (b"{$S#U\x01U\x01aU\x01b", {"a": "b"}),
    ],
)
def test_values_of_each_type(content: bytes, value: object) -> None:
    assert parse(content) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"SU\x05ab",
        b"Si\xff",
        b"SZ",
        b"[$i",
        b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[$T#L\x00\x7f\xff\xff\xff\xff\xff\xff",
        b"[" * (DEEPEST + 2),
        b"{U\x01a",
        b"ZZ",
    ],
)
def test_damaged_documents_are_value_errors(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(content)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_a_value_error(content: bytes) -> None:
    try:
        parse(b"{" + content)
    except ValueError:
        return
