"""What a model's tensors look like: seen by running it on a few rows, three numbers of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from emm.nn.structure import Shape
from emm.outside.onnx.graph import Graph
from emm.outside.onnx.inputs import OnnxInput
from emm.outside.onnx.session import Session

BATCHES = (3, 5, 8)
"""Three numbers of rows: what fits a line through two of them by chance misses the third."""

Sizes = tuple[tuple[int, int], ...]
"""Integers that depend on the number of rows B: (a, c) stands for a B + c."""


@dataclass(frozen=True)
class Probe:
    """The values of a model's inputs and other tensors for each of `BATCHES`, by name."""

    values: tuple[Mapping[str, Any], ...]

    def dtype(self, name: str) -> str:
        """The type of a tensor's elements, "" if it isn't known."""
        value = self.values[0].get(name)
        return str(value.dtype) if isinstance(value, np.ndarray) else ""

    def constant(self, name: str) -> np.ndarray:
        """The value of a tensor that depends on no input."""
        value: np.ndarray = self.values[0][name]
        return value

    def shape(self, name: str) -> Shape | None:
        """The shape without the rows, () for [B]; None unless it is [B, ...] for every B."""
        shapes = [np.shape(each.get(name, 0.0)) for each in self.values]
        if not all(shape and shape[0] == rows for shape, rows in zip(shapes, BATCHES, strict=True)):
            return None
        rests = {tuple(map(int, shape[1:])) for shape in shapes}
        return rests.pop() if len(rests) == 1 else None

    def rank(self, name: str) -> int | None:
        """The number of dimensions; None if it isn't known."""
        value = self.values[0].get(name)
        return value.ndim if isinstance(value, np.ndarray) else None

    def sizes(self, name: str) -> tuple[Sizes, int] | None:
        """Integers as functions of B, and their rank, 0 or 1; None for what isn't such a list."""
        found = [each.get(name) for each in self.values]
        if not all(isinstance(each, np.ndarray) and each.dtype.kind == "i" for each in found):
            return None
        arrays: list[np.ndarray] = [np.asarray(each) for each in found]
        if arrays[0].ndim > 1 or len({each.shape for each in arrays}) > 1:
            return None
        low, middle, high = (each.reshape(-1).astype(np.int64) for each in arrays)
        slopes = (middle - low) // (BATCHES[1] - BATCHES[0])
        starts = low - slopes * BATCHES[0]
        for value, rows in zip((low, middle, high), BATCHES, strict=True):
            if not np.array_equal(value, slopes * rows + starts):
                return None
        pairs = zip(slopes.tolist(), starts.tolist(), strict=True)
        return tuple((int(a), int(c)) for a, c in pairs), arrays[0].ndim


def probe(
    where: object,
    model: Any,
    inputs: Sequence[OnnxInput],
    names: Sequence[str],
    rows: pl.DataFrame,
) -> Probe:
    """The values of the tensors ``names`` for the first of ``rows``, repeated if they are few.

    Raises DataError if the model refuses the rows, ModelFileError if it can't be run.
    """
    session = Session(where, model, inputs, names, optimised=False)
    found = []
    for count in BATCHES:
        taken = rows[[number % len(rows) for number in range(count)]]
        feed = {each.name: each.feed(taken) for each in inputs}
        found.append({**feed, **dict(zip(names, session.run_feed(feed), strict=True))})
    return Probe(tuple(found))


def made_up_rows(graph: Graph, inputs: Sequence[OnnxInput], count: int = 8) -> pl.DataFrame:
    """Rows that a model should accept: categories that its encoders know, else random numbers,
    integers 0, and empty text."""
    random = np.random.default_rng(0)
    columns: list[pl.Series] = []
    for each in inputs:
        for place, name in enumerate(each.columns):
            known = _known(graph, each.name, place)
            if each.kind == "text":
                columns.append(pl.Series(name, [str(known or "")] * count, dtype=pl.String))
            elif each.kind == "integer":
                columns.append(pl.Series(name, [int(known or 0)] * count, dtype=pl.Int64))
            else:
                values = random.normal(size=count) if known is None else np.full(count, known)
                columns.append(pl.Series(name, values, dtype=pl.Float64))
    return pl.DataFrame(columns)


_CATEGORIES = ("cats_strings", "keys_strings", "cats_int64s", "keys_int64s", "keys_floats")
_SELECTIONS = ("ai.onnx.ml.ArrayFeatureExtractor", "Gather")


def _known(graph: Graph, name: str, column: int) -> Any:
    """A category of the first encoder that a column of the input ``name`` reaches, or None."""
    reached = {name}
    for node in graph.nodes:
        if reached.isdisjoint(node.inputs):
            continue
        if node.op in _SELECTIONS and node.inputs[0] == name:
            index = graph.constants.get(node.inputs[1])
            if index is not None and column not in index.reshape(-1).tolist():
                continue
        found = next((node.attribute(key) for key in _CATEGORIES if node.attribute(key)), None)
        if found:
            return found[0]
        reached.update(node.outputs)
    return None
