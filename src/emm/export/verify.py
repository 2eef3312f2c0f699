"""The check that an exported model predicts, in onnxruntime, what the project does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from torch import nn

from emm.core.errors import ModelFileError
from emm.data.tables.schema import Schema
from emm.export.columns import GraphOutput
from emm.export.expected import Expected, expected_of
from emm.export.feed import feed
from emm.export.graph import model_signature
from emm.export.members import Outside
from emm.export.signature import LOGIT_TOLERANCE, PROBABILITY_TOLERANCE
from emm.export.write import session
from emm.predict.encoder import Encoder

BATCHES = (1, 2, 4097)
_FEW = 64  # batches of each size, at most


@dataclass(frozen=True)
class Verified:
    """The largest differences that were found in ``rows`` rows, whatever the batch.

    ``logits`` includes standardised values; ``probabilities`` includes values in a task's own
    units, divided by their standard deviation. ``trees``: whether the model has trees, whose sums
    are then equal bit by bit, as are the encoded columns. ``undecided``: rows that were left out,
    as rounding decides about them (`emm.export.undecided`).
    """

    rows: int
    logits: float
    probabilities: float
    trees: bool
    undecided: int = 0


def verify(
    path: Path,
    model: nn.Module,
    tasks: Sequence[str],
    encoder: Encoder,
    rows: pl.DataFrame,
    *,
    given_click: bool = False,
    outside: Outside | None = None,
    batches: Sequence[int] = BATCHES,
) -> Verified:
    """Compare the exported model at ``path`` with ``model`` on raw rows, in batches of each size.

    Rows are repeated where there are fewer than a batch has. Encoded columns and sums of trees must
    be equal bit by bit, logits within 1e-4 and probabilities within 1e-5.
    Raises ModelFileError for a larger difference, with the row and the output that has it.
    """
    signature = model_signature(tasks, encoder, outside)
    outputs = signature.outputs
    how: Any = {"given_click": given_click, "outside": outside}
    expected = expected_of(model, tasks, encoder, rows, outputs, **how)
    running = session(path, [*expected.equal])
    _require_outputs(path, outputs, [each.name for each in running.get_outputs()])
    tensors = feed(rows, signature.inputs)
    largest = {"logit": 0.0, "probability": 0.0}
    for index in _batches(len(rows), batches):
        names = [*expected.equal, *(each.name for each in outputs)]
        given = {name: tensor[index] for name, tensor in tensors.items()}
        found = dict(zip(names, running.run(names, given), strict=True))
        for name, values in expected.equal.items():
            _require_equal(path, name, values[index], found[name], index)
        for each in outputs:
            kind = "logit" if each.gives == "logit" else "probability"
            tolerance = LOGIT_TOLERANCE if kind == "logit" else PROBABILITY_TOLERANCE
            difference = _differences(each, encoder.schema, expected, found, index)
            _require_close(path, each, difference, tolerance, index)
            largest[kind] = max(largest[kind], float(difference.max()))
    undecided = int(expected.undecided.sum())
    return Verified(len(rows), largest["logit"], largest["probability"], expected.trees, undecided)


def _require_outputs(path: Path, outputs: Sequence[GraphOutput], found: Sequence[str]) -> None:
    missing = [each.name for each in outputs if each.name not in found]
    if missing:
        raise ModelFileError(
            f"the exported model {path} lacks the output {missing[0]}",
            where=path,
            got=", ".join(found),
            next_step="export it again",
        )


def _batches(rows: int, sizes: Sequence[int]) -> Iterator[np.ndarray]:
    """Numbers of the rows of batches of each size, spread over all rows."""
    for size in sizes:
        count = min(_FEW, -(-rows // size))
        for number in range(count):
            yield (np.arange(size) + number * rows // count) % rows


def _differences(
    output: GraphOutput,
    schema: Schema,
    expected: Expected,
    found: Mapping[str, np.ndarray],
    index: np.ndarray,
) -> np.ndarray:
    """The largest difference of each row, [B]; infinite where one of both is no number."""
    ours, theirs = expected.outputs[output.name][index], found[output.name]
    if ours.shape != theirs.shape:
        return np.full(len(index), np.inf)
    scale = schema.targets[output.tasks[0]].std if output.gives == "value" else 1.0
    difference = np.abs(ours.astype(np.float64) - theirs) / scale
    largest: np.ndarray = np.where(np.isnan(difference), np.inf, difference).max(axis=1)
    return np.where(expected.undecided[index], 0.0, largest)


def _require_close(
    path: Path, output: GraphOutput, difference: np.ndarray, tolerance: float, index: np.ndarray
) -> None:
    if difference.max() <= tolerance:
        return
    row = int(difference.argmax())
    raise _differs(
        path,
        f"{output.name} differs by {difference[row]:.2g} in row {index[row] + 1}, in a batch of "
        f"{len(index):,} rows",
        f"at most {tolerance:g}",
    )


def _require_equal(
    path: Path, name: str, ours: np.ndarray, theirs: np.ndarray, index: np.ndarray
) -> None:
    same = ours.shape == theirs.shape and ours.dtype == theirs.dtype
    different = np.argwhere(~(ours == theirs)) if same else np.zeros((1, 2), int)
    if len(different):
        row, column = different[0]
        got = f"{theirs[row, column]}, not {ours[row, column]}" if same else f"{theirs.shape}"
        raise _differs(
            path,
            f"{name} has, in row {index[row] + 1} and column {column + 1}, {got}",
            "equal bits",
        )


def _differs(path: Path, got: str, expected: str) -> ModelFileError:
    return ModelFileError(
        f"the exported model {path} doesn't predict in onnxruntime what the model does",
        where=path,
        got=got,
        expected=expected,
        next_step="export it again with another version of torch or onnxruntime; if it stays, "
        "leave the model out of `exported`",
    )
