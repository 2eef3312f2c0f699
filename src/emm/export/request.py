"""Requests of the Open Inference Protocol as the tensors of an exported model, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.export.signature import BundleSignature, InputTensor

TEXT, NUMBERS = "BYTES", ("FP64", "FP32", "INT64", "INT32", "INT16", "INT8")
UNSIGNED = ("UINT64", "UINT32", "UINT16", "UINT8")
MAX_VALUES = 2**24
"""Values of one column of a request: larger ones are to be sent in several requests."""

Array = NDArray[Any]


class RequestError(ValueError):
    """A request that can't be answered; the message names the column."""


@dataclass(frozen=True)
class Given:
    """A column of a request: its shape, the name of its datatype, and its values, None for missing
    ones."""

    shape: Sequence[int]
    datatype: str
    data: Any


def tensors(signature: BundleSignature, given: Mapping[str, Given]) -> dict[str, Array]:
    """The columns of a request as tensors, by their names there.

    Columns may have the names of raw columns or of tensors, and others are ignored.
    Raises RequestError.
    """
    found: dict[str, Array] = {}
    for each in signature.inputs:
        column = given.get(each.column, given.get(each.name))
        if column is None:
            close = get_close_matches(each.column, given, n=1)
            raise RequestError(
                f"the column {each.column!r} is missing; expected {datatype(each)} of shape "
                f"{shape_text(each)}" + (f"; did you mean {close[0]!r}?" if close else "")
            )
        found[each.name] = _tensor(each, column)
    rows = {name: len(tensor) for name, tensor in found.items()}
    first = signature.inputs[0]
    for each in signature.inputs:
        if rows[each.name] != rows[first.name]:
            raise RequestError(
                f"the column {each.column!r} has {rows[each.name]} rows, and {first.column!r} has "
                f"{rows[first.name]}"
            )
    return found


def datatype(tensor: InputTensor) -> str:
    """The datatype of a tensor in the protocol."""
    return TEXT if tensor.type == "text" else NUMBERS[0]


def shape_text(tensor: InputTensor) -> str:
    return "[rows, items]" if tensor.role == "bag" else "[rows, 1]"


def _tensor(tensor: InputTensor, given: Given) -> Array:
    accepted = (TEXT,) if tensor.type == "text" else (*NUMBERS, *UNSIGNED)
    if given.datatype not in accepted:
        raise _wrong(tensor, f"the datatype {given.datatype}", datatype(tensor))
    values = _flat(given.data)
    shape = _shape(tensor, given.shape, len(values))
    known = (str, bytes, type(None)) if tensor.type == "text" else (int, float, type(None))
    for row, value in enumerate(values):
        if type(value) not in known:
            what = "text" if tensor.type == "text" else "a number"
            raise _wrong(tensor, f"{value!r:.50} in place {row + 1}", f"{what}, or null")
    if tensor.type == "text":
        texts = [tensor.missing if v is None else _text(tensor, v) for v in values]
        return np.array(texts, dtype=object).reshape(shape)
    try:
        return np.array(values, dtype=np.float64).reshape(shape)  # NaN for None
    except OverflowError as error:
        raise _wrong(tensor, "a number beyond those of FP64", datatype(tensor)) from error


def _flat(data: Any) -> list[Any]:
    values = list(data if data is not None else [])
    if any(isinstance(each, list) for each in values):
        values = list(chain.from_iterable(v if isinstance(v, list) else [v] for v in values))
    return values


def _shape(tensor: InputTensor, shape: Sequence[int], values: int) -> tuple[int, int]:
    """The shape [rows, items] of a column."""
    rows, items = (*shape, 1) if len(shape) == 1 else shape if len(shape) == 2 else (-1, -1)
    fits = rows >= 1 and (items >= 1 if tensor.role == "bag" else items == 1)
    if not fits or rows * items != values or values > MAX_VALUES:
        got = f"the shape {list(shape)} with {values} values"
        raise _wrong(tensor, got, f"{shape_text(tensor)} with as many values")
    return rows, items


def _text(tensor: InputTensor, value: str | bytes) -> str:
    if isinstance(value, str):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(tensor, f"{value!r:.50}", "text in UTF-8") from error


def _wrong(tensor: InputTensor, got: str, expected: str) -> RequestError:
    return RequestError(f"the column {tensor.column!r} has {got}; expected {expected}")
