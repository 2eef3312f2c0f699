"""The encoder as operators of ONNX: raw columns -> the columns that models read."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from emm.data.tables.inputs import BAG_ROLE, DATE, DENSE, Input
from emm.data.tables.names import stored_name
from emm.export.columns import ENCODED_DENSE, ENCODED_SPARSE, GraphInput, bag_tensors
from emm.export.graph_dates import date_features
from emm.export.graph_raw import RawColumn, RawColumns
from emm.export.nodes import ML, Nodes
from emm.predict.encoder import Encoder

_BLANKS = (
    r"\x{09}-\x{0D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}"
)
"""What Polars strips: the characters of Unicode's property White_Space."""
_TRIMMED = rf"(?s)[^{_BLANKS}](?:.*[^{_BLANKS}])?"


class Encoded(NamedTuple):
    """``names``: of the tensors in `emm.export.columns`: dense, sparse, and each multi-valued
    field; ``raw``: the raw columns before they are encoded."""

    names: list[str]
    raw: RawColumns


def add_encoder(nodes: Nodes, encoder: Encoder, inputs: Sequence[GraphInput]) -> Encoded:
    """Add the operators that encode the raw columns, equal bit by bit to what `Encoder` gives."""
    given = {each.column: each for each in inputs}
    known = _known_ids(encoder)
    trims, missing = encoder.inputs.trims, _missing_numbers(encoder)
    text = [each for each in inputs if each.type == "text" and not each.items]
    texts = _texts(nodes, [each.name for each in text], trims=trims)
    tensors = {each.column: each.name for each in inputs}
    tensors |= {each.column: name for each, name in zip(text, texts, strict=True)}
    dense: dict[str, str] = {}
    sparse: dict[str, str] = {}
    bags: dict[str, str] = {}
    for each in encoder.inputs.columns:
        name, tensor = stored_name(each.name), tensors[each.name]
        if each.role == DATE:
            dense |= date_features(nodes, each, tensor)
        elif each.role == DENSE:
            dense[name] = _number(nodes, each, tensor, missing)
        elif each.role == BAG_ROLE:
            items = _items(nodes, tensor)
            bags[name] = _ids(nodes, items, known.get(name), given[each.name], each)
        else:
            sparse[name] = _ids(nodes, tensor, known.get(name), given[each.name], each)
    _add_sparse(nodes, encoder, sparse, dense)
    _add_dense(nodes, encoder, dense)
    names = bag_tensors(encoder.schema)
    for bag, name in zip(encoder.bags, names, strict=True):
        nodes.cast(bags[bag], "INT32", name)
    columns = [RawColumn(tensors[each.column], each) for each in inputs if not each.items]
    words = encoder.inputs.text.missing if encoder.inputs.text else ()
    raw = RawColumns(nodes, columns, words, missing)
    return Encoded([ENCODED_DENSE, ENCODED_SPARSE, *names], raw)


def _known_ids(encoder: Encoder) -> dict[str, pl.DataFrame]:
    known = encoder.vocabularies.filter(pl.col("id") > 0).partition_by("column", as_dict=True)
    return {str(name): frame for (name,), frame in known.items()}


def _texts(nodes: Nodes, tensors: Sequence[str], *, trims: bool) -> list[str]:
    """Text columns [B, 1] without blanks at their ends, unless these are a part of them."""
    if not trims or not tensors:
        return [*tensors]
    row = nodes.constant(np.array([["x"] * len(tensors)], object))
    return nodes.split(_trimmed(nodes, nodes.concat(tensors), row), [1] * len(tensors))


def _items(nodes: Nodes, text: str) -> str:
    """Items [B, K] without blanks at their ends, for any K."""
    one = nodes.constant(np.array([1]))
    count = nodes.add("Gather", [nodes.add("Shape", [text]), one], axis=0)
    size = nodes.add("Concat", [one, count], axis=0)
    row = nodes.add("Expand", [nodes.constant(np.array([["x"]], object)), size])
    return _trimmed(nodes, text, row)


def _trimmed(nodes: Nodes, text: str, row: str) -> str:
    """Text [B, K] without blanks at its ends: what lies between the first and the last character
    that isn't one; empty if there is none.

    ``row`` [1, K]: any text, which guarantees that the tokenizer finds some.
    """
    filled = nodes.add("Concat", [text, row], axis=0)
    tokens = nodes.tokens(filled, _TRIMMED, "")  # [B + 1, K, 1]
    first = nodes.add("Gather", [tokens, nodes.constant(np.array(0))], axis=2)
    start, end = nodes.constant(np.array([0])), nodes.constant(np.array([-1]))
    return nodes.add("Slice", [first, start, end])


def _ids(
    nodes: Nodes, values: str, known: pl.DataFrame | None, tensor: GraphInput, given: Input
) -> str:
    """Values [B, K] -> ids int64 [B, K], 0 for unknown ones."""
    if known is None:
        # The dictionary can't be empty: this value is unknown, too.
        known = pl.DataFrame({"value": ["0"], "id": [0]})
    if given.type == "boolean":
        known = _written_truths(known)
    keys: np.ndarray = known["value"].to_numpy().astype(object)
    if tensor.type == "double":
        if given.type == "single":
            values = nodes.cast(nodes.cast(values, "FLOAT"), "DOUBLE")
            keys = known["value"].cast(pl.Float32).cast(pl.Float64).to_numpy()
        else:
            keys = known["value"].cast(pl.Float64).to_numpy()
    array = nodes.onnx.numpy_helper.from_array
    return nodes.add(
        "LabelEncoder",
        [values],
        domain=ML,
        keys_tensor=array(keys, "keys"),
        values_tensor=array(known["id"].cast(pl.Int64).to_numpy(), "values"),
        default_tensor=array(np.array([0]), "default"),
    )


def _written_truths(known: pl.DataFrame) -> pl.DataFrame:
    """The ids of true and false in all ways in which `emm.predict` reads them, in usual cases."""
    rows = [
        {"value": text, "id": row["id"]}
        for row in known.iter_rows(named=True)
        for text in _TRUTHS.get(row["value"], (row["value"],))
    ]
    return pl.DataFrame(rows, schema={"value": pl.String, "id": pl.Int32})


_TRUTHS = {
    "true": ("true", "True", "TRUE", "1", "1.0"),
    "false": ("false", "False", "FALSE", "0", "0.0"),
}


def _number(nodes: Nodes, given: Input, tensor: str, missing: Sequence[float]) -> str:
    """A dense column [B, 1] in the precision in which it was read; NaN for numbers that stand for a
    missing value."""
    if given.type == "single":
        tensor = nodes.cast(nodes.cast(tensor, "FLOAT"), "DOUBLE")
    for number in missing:
        same = nodes.add("Equal", [tensor, nodes.constant(np.array(number, np.float64))])
        tensor = nodes.add("Where", [same, nodes.constant(np.array(np.nan)), tensor])
    return tensor


def _missing_numbers(encoder: Encoder) -> list[float]:
    text = encoder.inputs.text
    words = pl.Series(text.missing if text else (), dtype=pl.String)
    return words.cast(pl.Float64, strict=False).drop_nulls().drop_nans().to_list()


def _add_sparse(
    nodes: Nodes, encoder: Encoder, ids: Mapping[str, str], dense: Mapping[str, str]
) -> None:
    names = encoder.schema.sparse_names
    if names:
        every = nodes.concat([ids[name] for name in names])
        nodes.cast(every, "INT32", ENCODED_SPARSE)
    else:
        _add_none(nodes, next(iter(dense.values())), "INT32", ENCODED_SPARSE)


def _add_dense(nodes: Nodes, encoder: Encoder, numbers: Mapping[str, str]) -> None:
    """Replace missing numbers by the mean of train, and scale them: see `emm.data.prepare.encode`.

    Polars multiplies by the reciprocal of a constant by which a column is divided.
    """
    columns = encoder.schema.dense
    if not columns:
        _add_none(nodes, ENCODED_SPARSE, "FLOAT", ENCODED_DENSE)
        return
    every = nodes.concat([numbers[column.name] for column in columns])  # [B, D]
    size = nodes.add("Abs", [every])
    present = nodes.add(
        "Less", [size, nodes.constant(np.array(np.inf))]
    )  # neither NaN nor infinite
    mean, low = (
        nodes.constant(np.array([values], np.float64))
        for values in ([c.mean for c in columns], [c.minimum for c in columns])
    )
    widths = [1.0 if c.constant else c.maximum - c.minimum for c in columns]
    factor = nodes.constant(1.0 / np.array([widths], np.float64))
    filled = nodes.add("Where", [present, every, mean])
    scaled = nodes.add("Mul", [nodes.add("Sub", [filled, low]), factor])
    nodes.cast(scaled, "FLOAT", ENCODED_DENSE)


def _add_none(nodes: Nodes, rows: str, type_: str, output: str) -> None:
    """A tensor [B, 0] for as many rows as [B, K] has."""
    zero, one = nodes.constant(np.array([0])), nodes.constant(np.array([1]))
    nodes.cast(nodes.add("Slice", [rows, zero, zero, one]), type_, output)
