"""What an exported model reads and gives: its tensors, by name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from emm.data.tables.inputs import BAG_ROLE, DENSE, SPARSE, Input, Role
from emm.data.tables.kinds import TEXT, RawKind
from emm.data.tables.names import stored_name
from emm.data.tables.schema import CLASSES, REGRESSION, Schema
from emm.predict.encoder import Encoder

TensorType = Literal["text", "double"]

Gives = Literal["logit", "probability", "value"]
"""What an output is; a ``logit`` is the model's own output, of a regression the standardised
value."""

ENCODED_DENSE, ENCODED_SPARSE, ENCODED_BAG = "encoded_dense", "encoded_sparse", "encoded_bag"
"""Names of the tensors after the encoder: [B, D] float32, [B, F] int32 ids, and for each
multi-valued field, its number appended, [B, items] int32 ids, where 0 is no item."""

TREES = "tree_sums"
"""Name of the tensor [B, sums] float32 with the sums of a model's trees."""

EXACT = 2**53
"""Below this, doubles tell all whole numbers apart."""

CTR, CVR, CTCVR = "ctr", "cvr", "ctcvr"


@dataclass(frozen=True)
class GraphInput:
    """A tensor with the values of a raw column: [B, 1], or [B, items] of a multi-valued one.

    Args:
        name: of the tensor.
        column: in the raw files.
        type: text, or doubles.
        missing: the text that stands for a missing value, and pads the items of a row that has
            fewer; None of doubles, for which it is NaN.
    """

    name: str
    column: str
    role: Role | Literal["member"]
    type: TensorType
    missing: str | None = None

    @property
    def items(self) -> bool:
        """Whether the tensor has several values of a row."""
        return self.role == BAG_ROLE


@dataclass(frozen=True)
class GraphOutput:
    """A tensor with a prediction: [B, ``width``].

    ``tasks``: those that it is about. ``kind``: of the task. ``step``: of a funnel: ctr, cvr or
    ctcvr; "" for the prediction of one task. Values of a regression in its own units are doubles,
    everything else is float32.
    """

    name: str
    tasks: tuple[str, ...]
    kind: str
    gives: Gives
    width: int = 1
    step: str = ""

    @property
    def type(self) -> Literal["float32", "float64"]:
        return "float64" if self.gives == "value" else "float32"


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of an exported model, in order."""

    inputs: tuple[GraphInput, ...]
    outputs: tuple[GraphOutput, ...]


def signature_of(
    encoder: Encoder,
    tasks: Sequence[str],
    funnel: Sequence[str] = (),
    raw: Mapping[str, RawKind] | None = None,
) -> Signature:
    """What a model of ``tasks`` reads and gives.

    ``funnel``: its click and its conversion, if it predicts both; ``raw``: columns that members
    from outside read besides those of ``encoder``.
    """
    names = _Names({ENCODED_DENSE, ENCODED_SPARSE, TREES, *bag_tensors(encoder.schema)})
    inputs = _inputs(encoder, names, raw or {})
    return Signature((*inputs,), (*_outputs(encoder.schema, names, tasks, funnel),))


def bag_tensors(schema: Schema) -> list[str]:
    """Names of the tensors with the ids of each multi-valued field."""
    return [f"{ENCODED_BAG}_{number}" for number in range(len(schema.bags))]


def _inputs(encoder: Encoder, names: "_Names", raw: Mapping[str, RawKind]) -> Iterator[GraphInput]:
    """Text and the items of multi-valued columns are text, dense columns are doubles.

    Whole numbers of sparse columns are doubles if these tell all known values apart, otherwise
    text: so a missing value fits into both. Dates are text in ISO form.
    """
    known = _known_values(encoder)
    for each in encoder.inputs.columns:
        values = known.get(stored_name(each.name), pl.Series([], dtype=pl.String))
        type_ = _tensor_type(each, values)
        missing = _missing_text(values) if type_ == "text" else None
        yield GraphInput(names.unique(each.name), each.name, each.role, type_, missing)
    read = {each.name for each in encoder.inputs.columns}
    for column, kind in raw.items():
        if column not in read and kind == TEXT:
            yield GraphInput(names.unique(column), column, "member", "text", "")
        elif column not in read:
            yield GraphInput(names.unique(column), column, "member", "double")


def _outputs(
    schema: Schema, names: "_Names", tasks: Sequence[str], funnel: Sequence[str]
) -> Iterator[GraphOutput]:
    for task in tasks:
        kind = schema.kind(task)
        width = len(schema.classes[task]) if kind == CLASSES else 1
        given: list[tuple[str, Gives]] = [("logit", "logit"), ("probability", "probability")]
        if kind == REGRESSION:
            given = [("standardised", "logit"), ("value", "value")]
        for word, gives in given:
            yield GraphOutput(names.unique(f"{word}_{task}"), (task,), kind, gives, width)
    steps = [tuple(funnel)] * 3 if funnel else []
    for step, about in zip((CTR, CVR, CTCVR), steps, strict=False):
        kind = schema.kind(about[0])
        yield GraphOutput(names.unique(step), about, kind, "probability", step=step)


class _Names:
    """Names that any server accepts, each only once."""

    def __init__(self, used: set[str]) -> None:
        self.used = used

    def unique(self, text: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "column"
        name = next(name for name in _numbered(plain) if name not in self.used)
        self.used.add(name)
        return name


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


_WORDS = ("text", "boolean", "date", "datetime", "time")
_NUMERIC_TIMES = ("physical", "integer", "number")


def _tensor_type(given: Input, known: pl.Series) -> TensorType:
    if given.role == DENSE:
        return "double"
    numeric = given.type not in _WORDS or given.time in _NUMERIC_TIMES
    if given.role != SPARSE or not numeric:
        return "text"
    numbers = known.cast(pl.Float64, strict=False)
    exact = numbers.is_not_null() & (numbers.abs() < EXACT)
    return "double" if bool(exact.all()) and numbers.n_unique() == len(numbers) else "text"


def _missing_text(known: pl.Series) -> str:
    """An empty text, unless that is a value itself."""
    values = {*known}
    return next(text for text in _empty() if text not in values)


def _empty() -> Iterator[str]:
    yield ""
    yield from _numbered("<missing>")


def _known_values(encoder: Encoder) -> dict[str, pl.Series]:
    """The values of each column that have an id."""
    known = encoder.vocabularies.filter(pl.col("id") > 0).partition_by("column", as_dict=True)
    return {str(name): frame["value"] for (name,), frame in known.items()}
