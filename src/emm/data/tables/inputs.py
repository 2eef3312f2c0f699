"""inputs.json: the raw columns that become features, and how they were read, to read new rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from emm.config.binding import bind
from emm.core.errors import DataError
from emm.core.files import write_json
from emm.data.tables.kinds import COLUMNS, INTEGER, NUMBER, RAW, TEXT, RawKind
from emm.data.tables.names import original_name
from emm.data.tables.schema import Schema

INPUTS = "inputs.json"
"""File in the folder `raw` of processed data, or in an exported folder."""

Role = Literal["dense", "sparse", "date", "bag"]
DENSE: Role = "dense"
SPARSE: Role = "sparse"
DATE: Role = "date"
BAG_ROLE: Role = "bag"

ValueType = Literal[
    "text", "integer", "unsigned", "number", "single", "boolean", "date", "datetime", "time"
]
"""Type in which a column's values were read; unsigned: whole numbers that need all 64 bits."""

TimeForm = Literal["as-is", "physical", "integer", "number", "text"]
"""How the column that orders the rows by time was cast: see `emm.data.custom.columns.as_time`."""


@dataclass(frozen=True)
class Input:
    """A raw column that is a feature, or has features.

    Args:
        name: in the raw files.
        type: in which its values were read in training.
        separator: of a multi-valued column of text.
        unit: of the type datetime, with its zone if it has one: ``us`` or ``us Europe/Berlin``.
        dated, timed: of a date: whether it has the features of a day, and those of an hour.
        time: how the column was cast if it also orders the rows by time.
    """

    name: str
    role: Role
    type: ValueType = "text"
    separator: str | None = None
    unit: str | None = None
    dated: bool = False
    timed: bool = False
    time: TimeForm | None = None


@dataclass(frozen=True)
class TextForm:
    """How the text of custom data is read: see `emm.data.custom.settings.CustomDataSettings`.

    ``columns``: names of all columns of files without a header; ``numbers``: columns, by their
    names in the files, with numbers in the notation of ``decimal`` and ``thousands``;
    ``delimited``: whether the rows came from text files, whose values have no blanks around them.
    """

    separator: str
    missing: tuple[str, ...]
    columns: tuple[str, ...]
    encoding: str
    decimal: str
    thousands: str | None
    numbers: tuple[str, ...]
    delimited: bool


@dataclass(frozen=True)
class Bins:
    """How the stored values of a dense column are distributed over train.

    ``edges``: ascending; a value belongs to the bin above the last edge that isn't larger.
    ``shares``: of all rows, in each bin, one more than edges, and at the end the missing ones'.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Inputs:
    """The columns that are read of new rows, and what is known about train besides the schema.

    Attributes:
        text: of custom data; None for a known dataset.
        given_click: whether the funnel's conversions are known after a click only.
        bins: of the dense columns, by their stored names.
    """

    columns: tuple[Input, ...]
    text: TextForm | None = None
    given_click: bool = False
    bins: Mapping[str, Bins] = field(default_factory=dict)

    @property
    def trims(self) -> bool:
        """Whether blanks around text are no part of it."""
        return self.text is None or self.text.delimited


def type_of(dtype: pl.DataType) -> ValueType:
    """The type of values that were read in this one."""
    if isinstance(dtype, pl.List | pl.Array):
        return type_of(dtype.inner)  # type: ignore[arg-type]
    named: Mapping[Any, ValueType] = {
        pl.UInt64: "unsigned",
        pl.Float32: "single",
        pl.Boolean: "boolean",
        pl.Date: "date",
        pl.Datetime: "datetime",
        pl.Time: "time",
    }
    found = next((name for kind, name in named.items() if dtype == kind), None)
    if found is not None:
        return found
    if dtype.is_integer():
        return "integer"
    return "number" if dtype.is_numeric() else "text"


def unit_of(dtype: pl.DataType) -> str | None:
    """The unit and zone of times of the day and date; None of any other type."""
    if not isinstance(dtype, pl.Datetime):
        return None
    return f"{dtype.time_unit} {dtype.time_zone}" if dtype.time_zone else dtype.time_unit


def inputs_of_kinds(schema: Schema, kinds: Mapping[str, RawKind]) -> Inputs:
    """The inputs of a known dataset, whose features are columns of these kinds."""
    types: Mapping[RawKind, ValueType] = {NUMBER: "number", INTEGER: "integer"}
    dense = [Input(original_name(name), DENSE, "number") for name in schema.dense_names]
    others: dict[str, Role] = dict.fromkeys(map(original_name, schema.sparse_names), SPARSE)
    others |= {original_name(each.name): BAG_ROLE for each in schema.bags}
    found = [
        Input(name, role, types.get(kinds.get(name, TEXT), "text")) for name, role in others.items()
    ]
    return Inputs((*dense, *found))


def write_inputs(inputs: Inputs, path: Path) -> None:
    """Write inputs.json."""
    tree = asdict(inputs)
    default = asdict(Input("", DENSE))
    tree["columns"] = [
        {key: value for key, value in column.items() if value != default[key] or key == "role"}
        for column in tree["columns"]
    ]
    write_json(path, tree)


def load_inputs(folder: Path, schema: Schema) -> Inputs:
    """The inputs of processed data or of an exported folder. Raises DataError.

    Data of a known dataset that was processed before there was inputs.json has none: what its
    columns are follows from their kinds.
    """
    path = next(
        (each for each in (folder / RAW / INPUTS, folder / INPUTS) if each.exists()),
        folder / RAW / INPUTS,
    )
    kinds = folder / RAW / COLUMNS
    if not path.exists() and schema.origin and kinds.exists():
        return inputs_of_kinds(schema, _read(kinds, dict[str, RawKind]))
    return _read(path, Inputs)  # type: ignore[no-any-return]


def _read(path: Path, kind: Any) -> Any:
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    errors: list[str] = []
    found = bind(kind, tree, "", errors)
    if found is None:
        raise _unreadable(path, "; ".join(errors))
    return found


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} can't be read, which says how new rows are read: {why}",
        where=path,
        next_step="dvc repro preprocess, or dvc checkout; no model trains again for it",
    )
