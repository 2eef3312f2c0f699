"""ONNX models as outside models of the pool."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emm.core.errors import ModelFileError
from emm.outside.onnx.cut import CutOnnx, cut
from emm.outside.onnx.model import OnnxModel
from emm.outside.onnx.read import read_onnx
from emm.outside.scorer import Batches, Context, ModelInput, Opaque
from emm.outside.settings import Gives, OutsideModel


@dataclass(frozen=True, eq=False)
class OnnxScorer:
    """An ONNX model of one task (`emm.outside.scorer.OutsideScorer`).

    ``order``: the columns of its output in the order of the task's classes, () if they are in it.
    """

    model: OnnxModel
    columns: Literal["raw", "encoded"]
    order: tuple[int, ...] = ()

    kind: Literal["onnx"] = "onnx"

    @property
    def inputs(self) -> Sequence[ModelInput]:
        """The columns that it reads; those of a matrix one by one."""
        return [ModelInput(name, each.kind) for each in self.model.inputs for name in each.columns]

    @property
    def gives(self) -> Gives | None:
        """What `predict` returns; None if the file doesn't prove it."""
        return self.model.gives

    @cached_property
    def join(self) -> CutOnnx | Opaque:
        """How it joins: cut, or as a whole."""
        if self.order:
            return Opaque("its classes are in another order than the task's")
        return cut(self.model)

    @property
    def said(self) -> Sequence[str]:
        """Which output is read."""
        of = f", that of class {self.model.classes[-1]!r}" if self._names_class else ""
        return [f"its prediction is the output {self.model.output}{of}"]

    @property
    def _names_class(self) -> bool:
        return len(self.model.classes) == 2 and self.model.output.endswith("[:, 1]")

    def predict(self, batches: Batches) -> NDArray[np.floating[Any]]:
        """The predictions [N, outputs], classes in the order of the task's."""
        return self._ordered(self.model.predict(batches))

    def logits(self, batches: Batches) -> NDArray[np.floating[Any]]:
        """The logits [N, outputs] of its probabilities, taken before their sigmoid if it has one;
        other predictions as they are."""
        return self._ordered(self.model.logits(batches))

    def _ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        return values[:, list(self.order)] if self.order else values


def open_model(name: str, entry: OutsideModel, context: Context) -> OnnxScorer:
    """Open the ONNX model of an entry.

    Raises ModelFileError if its file is refused or doesn't have the task's outputs and classes,
    ParamsError for an output that it lacks.
    """
    model = read_onnx(Path(entry.model or ""), entry.output, entry.gives)
    if model.width != context.outputs:
        raise ModelFileError(
            f"the output of {name} doesn't fit its task",
            where=entry.model,
            got=f"{model.output}: {model.width} columns",
            expected=f"{context.outputs} for the task {context.task}",
            next_step="name another output, or a column: `output: NAME[:, 1]`",
        )
    columns: Literal["raw", "encoded"] = "encoded" if entry.columns == "encoded" else "raw"
    return OnnxScorer(model, columns, _order(name, model, context))


def _order(name: str, model: OnnxModel, context: Context) -> tuple[int, ...]:
    """The place of each class in the model's output, () if they are in the task's order.

    Classes that are numbers are taken in their order. Raises ModelFileError for other names.
    """
    found, wanted = model.classes, context.classes
    if not wanted or not found or found == wanted or all(each.isdigit() for each in found):
        return ()
    if set(found) != set(wanted):
        raise ModelFileError(
            f"{name} predicts other classes than its task has",
            where=model.path,
            got=", ".join(found),
            expected=", ".join(wanted),
            next_step="train it on the task's classes, with their names",
        )
    return tuple(found.index(each) for each in wanted)
