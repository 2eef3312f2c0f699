"""The inputs of an ONNX model, and the rows of a table in the form that it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from emm.core.errors import DataError, ModelFileError
from emm.core.onnx_packages import onnx_library

Kind = Literal["text", "number", "integer"]

MAX_WIDTH = 100_000
MISSING_TEXT = ""
"""What a missing text is for a model: ONNX has no missing values of text."""


@dataclass(frozen=True)
class OnnxInput:
    """An input of a model: a tensor [B] or [B, width] of one ``dtype`` (NumPy's name)."""

    name: str
    kind: Kind
    width: int
    dtype: str
    flat: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that it reads: its own, or ``name[0]``, ``name[1]``, ..."""
        if self.width == 1:
            return (self.name,)
        return tuple(f"{self.name}[{number}]" for number in range(self.width))

    def feed(self, rows: pl.DataFrame) -> np.ndarray:
        """The values of its columns, [B, width], or [B] if it is flat.

        Missing numbers are NaN, missing text is empty. Raises DataError for what it can't hold.
        """
        columns = [_values(self, rows[column]) for column in self.columns]
        return columns[0] if self.flat else np.stack(columns, axis=1)


def _values(model_input: OnnxInput, column: pl.Series) -> np.ndarray:
    kind = model_input.kind
    if kind == "text":
        if column.dtype != pl.String:
            raise _unfit(column, "text", "CAST(column AS VARCHAR)")
        return column.fill_null(MISSING_TEXT).to_numpy().astype(object)
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise _unfit(column, "numbers", "CAST(column AS DOUBLE)")
    if kind == "number":
        numbers = column.cast(pl.Float64).to_numpy()
        return numbers.astype(model_input.dtype)
    if column.null_count() or (column.dtype.is_float() and column.is_nan().any()):
        raise _unfit(column, "integers without missing values", "COALESCE(column, -1)")
    whole = column.cast(pl.Int64, strict=False)
    if column.dtype.is_float() and not (whole.cast(column.dtype) == column).all():
        raise _unfit(column, "whole numbers", "CAST(column AS BIGINT)")
    values = whole.to_numpy()
    kept = values.astype(model_input.dtype)
    if not (kept == values).all():
        raise _unfit(column, f"whole numbers of {model_input.dtype}", "another column")
    return kept


def _unfit(column: pl.Series, expected: str, expression: str) -> DataError:
    missing = f", {column.null_count():,} of them missing" if column.null_count() else ""
    return DataError(
        f"the model's input {column.name!r} can't hold its column",
        where=column.name,
        got=f"{len(column):,} values of {column.dtype}{missing}",
        expected=expected,
        next_step=f"name an expression under `columns`, such as {column.name}: {expression}",
    )


def read_inputs(path: Path, model: Any, names: Sequence[str]) -> tuple[OnnxInput, ...]:
    """The inputs of ``model`` with these ``names``. Raises ModelFileError for other kinds."""
    protos = {each.name: each for each in model.graph.input}
    inputs = tuple(_read(path, protos[name]) for name in names)
    if not inputs:
        raise _refused(path, "reads nothing", "no inputs", "an input of rows")
    return inputs


def _read(path: Path, proto: Any) -> OnnxInput:
    tensor = proto.type.tensor_type
    if not proto.type.HasField("tensor_type"):
        raise _refused(path, f"has the input {proto.name!r}, which is no tensor", None, "tensors")
    kind, dtype = _kind(path, proto.name, tensor.elem_type)
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    shape = ["rows" if dim is None else dim for dim in dims]
    if len(dims) not in (1, 2) or (len(dims) == 2 and not dims[1]):
        raise _refused(
            path,
            f"has the input {proto.name!r}, whose shape isn't that of rows and columns",
            f"{shape}".replace("'", ""),
            "[rows] or [rows, columns] with a known number of columns",
        )
    if dims[0] is not None:
        raise _refused(
            path,
            f"reads a fixed number of rows at {proto.name!r}",
            f"{shape}",
            "any number of rows in the first dimension",
            "export it with a free first dimension: dynamic_shapes of torch.onnx.export, [None, "
            "columns] in skl2onnx's initial_types",
        )
    width = dims[1] if len(dims) == 2 and dims[1] else 1
    if width > MAX_WIDTH:
        raise _refused(path, "reads too many columns", f"{width:,}", f"at most {MAX_WIDTH:,}")
    return OnnxInput(proto.name, kind, width, dtype, flat=len(dims) == 1)


def _kind(path: Path, name: str, number: int) -> tuple[Kind, str]:
    types = onnx_library().TensorProto
    kinds: Mapping[int, tuple[Kind, str]] = {
        types.STRING: ("text", "object"),
        types.FLOAT: ("number", "float32"),
        types.DOUBLE: ("number", "float64"),
        types.FLOAT16: ("number", "float16"),
        types.INT64: ("integer", "int64"),
        types.INT32: ("integer", "int32"),
        types.INT16: ("integer", "int16"),
        types.INT8: ("integer", "int8"),
        types.UINT8: ("integer", "uint8"),
        types.BOOL: ("integer", "bool"),
    }
    if number not in kinds:
        found = types.DataType.Name(number) if number in types.DataType.values() else number
        raise _refused(
            path,
            f"has the input {name!r} of a kind that no column has",
            found,
            "text, float, double or integers",
        )
    return kinds[number]


def _refused(
    path: Path,
    what: str,
    got: object,
    expected: str,
    next_step: str = "export it again with inputs of rows and columns",
) -> ModelFileError:
    return ModelFileError(
        f"{path} {what}", where=path, got=got, expected=expected, next_step=next_step
    )
