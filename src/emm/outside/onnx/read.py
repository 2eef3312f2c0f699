"""Reading of an ONNX model: its inputs, its prediction, and what that is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.core.errors import DataError, ModelFileError, ParamsError
from emm.outside.onnx.append import Appendix
from emm.outside.onnx.file import MAX_OUTPUT, load_graph
from emm.outside.onnx.graph import Graph, plain_graph
from emm.outside.onnx.inputs import OnnxInput, read_inputs
from emm.outside.onnx.logit import find_logit
from emm.outside.onnx.model import OnnxModel
from emm.outside.onnx.outputs import Chosen, choose_output
from emm.outside.onnx.probe import made_up_rows
from emm.outside.onnx.session import Session
from emm.outside.settings import Gives

_CLOSE = 1e-5


def read_onnx(
    path: Path,
    output: str | None = None,
    gives: Gives | None = None,
    rows: pl.DataFrame | None = None,
) -> OnnxModel:
    """Read an ONNX model, whose prediction is ``output``: ``NAME``, or ``NAME[:, COLUMN]``.

    Without ``output``, it is the only output of numbers; of probabilities of two classes, that of
    the second one. ``gives``: what it is, if the file doesn't have to prove it; ``rows``: some that
    the model accepts, by default made up. Raises ModelFileError for files that are damaged, too
    large or unfit, ParamsError for an output that it lacks or if the package onnx is missing.
    """
    proto = load_graph(path)
    graph = plain_graph(proto)
    inputs = read_inputs(path, proto, graph.inputs)
    chosen = choose_output(path, proto, graph, output)
    sample = made_up_rows(graph, inputs) if rows is None else rows
    values = _values(path, proto, inputs, [chosen.tensor], sample)
    size = _size(path, proto, chosen, values)
    chosen = _with_column(path, graph, chosen, size, values)
    width = size if chosen.column is None else 1
    appendix = Appendix(proto)
    found = find_logit(graph, chosen.tensor, size, chosen.column)
    read = OnnxModel(
        path=path,
        inputs=inputs,
        output=chosen.name,
        width=width,
        classes=chosen.classes,
        gives=gives,
        prediction=appendix.prediction(chosen.tensor, chosen.column, width),
        logit=None if found is None else appendix.logit(found, width),
        proto=proto,
        graph=plain_graph(proto),
    )
    sums = size > 1 and values is not None and _sum_to_one(values[0])
    return _judged(read, sample, sums=sums)


def _judged(model: OnnxModel, sample: pl.DataFrame, *, sums: bool) -> OnnxModel:
    """``model`` with what its prediction is, and with its logit only if that is one.

    ``sums``: the columns of its output sum to 1, as probabilities of classes do.
    """
    if model.gives in ("logit", "value"):
        return replace(model, logit=None)
    if model.logit is not None:
        tensors = [model.prediction, model.logit]
        found = _values(model.path, model.proto, model.inputs, tensors, sample)
        if found is None or _is_logit(*found):
            return replace(model, gives="probability")
    return replace(model, logit=None, gives=model.gives or ("probability" if sums else None))


def _is_logit(probabilities: np.ndarray, logits: np.ndarray) -> bool:
    """Whether ``probabilities`` [B, K] are the sigmoid, or the softmax, of ``logits``."""
    z = logits.astype(np.float64)
    if z.shape[1] == 1:
        expected = 1 / (1 + np.exp(-z))
    else:
        odds = np.exp(z - z.max(1, keepdims=True))
        expected = odds / odds.sum(1, keepdims=True)
    return bool(np.allclose(probabilities, expected, 0, _CLOSE, equal_nan=True))


def _values(
    path: Path,
    proto: Any,
    inputs: Sequence[OnnxInput],
    tensors: Sequence[str],
    rows: pl.DataFrame,
) -> list[np.ndarray] | None:
    """The values of ``tensors``, None if the model refuses the rows."""
    try:
        return [np.asarray(each) for each in Session(path, proto, inputs, tensors).run(rows)]
    except DataError:
        return None


def _size(path: Path, proto: Any, chosen: Chosen, values: Sequence[np.ndarray] | None) -> int:
    """The number of columns of the chosen output."""
    if values is not None:
        shape: list[int] = list(values[0].shape[1:])
    else:
        infos = [each for each in proto.graph.output if each.name == chosen.tensor]
        dims = [x.dim_value for each in infos for x in each.type.tensor_type.shape.dim]
        shape = dims[1:] or [len(chosen.classes)]
    size = shape[0] if shape else 1
    if len(shape) > 1 or not 0 < size <= MAX_OUTPUT:
        raise ModelFileError(
            f"the output {chosen.name!r} of {path} isn't one vector per row",
            where=path,
            got=f"{['rows', *shape]}".replace("'", ""),
            expected="[rows], [rows, 1] or [rows, classes]",
            next_step="flatten it in the model, or name another output",
        )
    return size


def _with_column(
    path: Path, graph: Graph, chosen: Chosen, size: int, values: Sequence[np.ndarray] | None
) -> Chosen:
    """``chosen`` with the column that is meant; of two classes' probabilities, the second."""
    column = chosen.column
    if column is not None:
        if not -size <= column < size:
            raise ParamsError(
                f"the output of {path} has no column {column}",
                where=path,
                got=chosen.name,
                expected=f"a column from 0 to {size - 1}",
                next_step="correct `output`",
            )
        return replace(chosen, column=None if size == 1 else column % size)
    if size != 2:
        return chosen
    pair = find_logit(graph, chosen.tensor, 2, 1) is not None or bool(chosen.classes)
    if pair or (values is not None and _sum_to_one(values[0])):
        return replace(chosen, name=f"{chosen.name}[:, 1]", column=1)
    raise ModelFileError(
        f"the output {chosen.name!r} of {path} has two columns, which aren't the probabilities of "
        "two classes",
        where=path,
        got="two scores for each row",
        expected="one probability, logit or value for each row",
        next_step=f'name one of them, `output: "{chosen.name}[:, 1]"`, or, if they are the logits '
        "of two classes, end the network with a softmax",
    )


def _sum_to_one(values: np.ndarray) -> bool:
    return bool((values >= 0).all() and np.allclose(values.sum(1), 1, 0, 1e-4))
