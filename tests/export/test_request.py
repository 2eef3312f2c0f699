"""Requests as tensors: what is accepted, and messages that name the column."""

from typing import Any

import numpy as np
import pytest

from emm.export.request import Given, RequestError, tensors
from emm.export.signature import FORMAT, BundleSignature, InputTensor

SIGNATURE = BundleSignature(
    FORMAT,
    "a/b/c",
    {},
    (),
    (),
    inputs=(
        InputTensor("age", "age", "dense", "double"),
        InputTensor("zip_code", "zip code", "sparse", "text", missing=""),
        InputTensor("genres", "genres", "bag", "text", missing="<missing>"),
    ),
    outputs=(),
    files={},
)


def given(**changes: Any) -> dict[str, Given]:
    found = {
        "age": Given([2, 1], "FP64", [31.5, None]),
        "zip code": Given([2, 1], "BYTES", ["01", None]),
        "genres": Given([2, 2], "BYTES", ["a", "b", "c", None]),
    }
    return {**found, **{name.replace("_", " "): each for name, each in changes.items()}}


def test_columns_become_tensors_with_their_missing_values() -> None:
    found = tensors(SIGNATURE, given())
    np.testing.assert_array_equal(found["age"], [[31.5], [np.nan]])
    assert found["age"].dtype == np.float64
    assert found["zip_code"].tolist() == [["01"], [""]]
    assert found["genres"].tolist() == [["a", "b"], ["c", "<missing>"]]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("age", Given([2], "INT64", [31, 40])),
        ("age", Given([2, 1], "FP32", [[31.0], [40.0]])),
        ("age", Given([2, 1], "UINT8", [31, 40])),
        ("zip_code", Given([2], "BYTES", [b"01", "02"])),
        ("genres", Given([2, 1], "BYTES", ["a", ""])),
    ],
)
def test_other_forms_of_the_same_values_are_accepted(name: str, column: Given) -> None:
    found = tensors(SIGNATURE, given(**{name: column}))
    assert len(found[name]) == 2


def test_a_column_may_have_the_name_of_its_tensor_and_others_are_ignored() -> None:
    rows = given()
    rows["zip_code"] = rows.pop("zip code")
    rows["label"] = Given([5], "FP64", [1])
    assert set(tensors(SIGNATURE, rows)) == {"age", "zip_code", "genres"}


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("age", Given([2, 1], "BYTES", ["31", "40"]), "'age' has the datatype BYTES; expected FP"),
        ("age", Given([2, 1], "BOOL", [True, False]), "'age' has the datatype BOOL"),
        ("age", Given([2, 1], "FP64", [31, "x"]), "'age' has 'x' in place 2; expected a number"),
        ("age", Given([2, 1], "INT64", [1, True]), "'age' has True in place 2"),
        ("age", Given([2, 1], "INT64", [1, 10**400]), "'age' has a number beyond those of FP64"),
        ("age", Given([3, 1], "FP64", [1, 2]), r"'age' has the shape \[3, 1\] with 2 values"),
        ("age", Given([1, 2], "FP64", [1, 2]), r"'age' has the shape \[1, 2\]"),
        ("age", Given([], "FP64", [1]), r"'age' has the shape \[\]"),
        ("age", Given([0, 1], "FP64", []), r"'age' has the shape \[0, 1\]"),
        ("age", Given([-2, -1], "FP64", [1, 2]), r"'age' has the shape \[-2, -1\]"),
        ("age", Given([2, 1], "FP64", None), "'age' has the shape"),
        ("age", Given([1, 1], "FP64", [1]), "'zip code' has 2 rows, and 'age' has 1"),
        ("zip_code", Given([2, 1], "INT64", [1, 2]), "'zip code' has the datatype INT64"),
        ("zip_code", Given([2, 1], "BYTES", ["01", 2]), "'zip code' has 2 in place 2"),
        ("zip_code", Given([2, 1], "BYTES", ["01", b"\xff"]), "'zip code' has .* UTF-8"),
        ("genres", Given([2, 2], "BYTES", ["a"]), "'genres' has the shape"),
    ],
)
def test_a_column_that_cannot_be_used_is_named(name: str, column: Given, message: str) -> None:
    with pytest.raises(RequestError, match=f"the column {message}"):
        tensors(SIGNATURE, given(**{name: column}))


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    rows = given()
    rows["agee"] = rows.pop("age")
    with pytest.raises(RequestError, match=r"'age' is missing; expected FP64 .* mean 'agee'"):
        tensors(SIGNATURE, rows)
