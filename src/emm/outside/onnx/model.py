"""An ONNX model: what it reads, what it gives, and its predictions."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.core.errors import ModelFileError
from emm.outside.onnx.graph import Graph
from emm.outside.onnx.inputs import OnnxInput
from emm.outside.onnx.logit import log_odds
from emm.outside.onnx.session import Session
from emm.outside.settings import Gives

_FEW = 3


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A model that was read and checked.

    Attributes:
        path: its file.
        inputs: what it reads.
        output: its prediction as the user names it.
        width: number of columns of the prediction.
        classes: what the columns of its output stand for, () if the file doesn't say.
        gives: what the prediction is; None if the file doesn't prove it.
        prediction: the tensor [B, width] of the prediction.
        logit: that of its logit, if the prediction is the sigmoid or softmax of a tensor.
        proto: the ModelProto, with both tensors among its outputs.
        graph: its graph.
    """

    path: Path
    inputs: tuple[OnnxInput, ...]
    output: str
    width: int
    classes: tuple[str, ...]
    gives: Gives | None
    prediction: str
    logit: str | None
    proto: Any
    graph: Graph

    def session(self, tensor: str) -> Session:
        """A session that gives ``tensor``; the last ones stay loaded."""
        return _session(self, tensor)

    def predict(self, batches: Iterable[pl.DataFrame]) -> NDArray[Any]:
        """The predictions [N, width] for rows whose columns are those of the inputs."""
        return self._values(self.prediction, batches)

    def logits(self, batches: Iterable[pl.DataFrame]) -> NDArray[Any]:
        """The logits [N, width] of its probabilities; other predictions as they are."""
        if self.logit is not None:
            return self._values(self.logit, batches)
        values = self.predict(batches)
        return log_odds(values) if self.gives == "probability" else values

    def _values(self, tensor: str, batches: Iterable[pl.DataFrame]) -> NDArray[Any]:
        session, found = self.session(tensor), list[NDArray[Any]]()
        for rows in batches:
            if len(rows):
                (values,) = session.run(rows)
                if not found:
                    _require_row_wise(session, rows, values)
                found.append(np.asarray(values))
        return np.concatenate(found) if found else np.zeros((0, self.width), np.float32)


def _require_row_wise(session: Session, rows: pl.DataFrame, values: NDArray[Any]) -> None:
    """Refuse a model whose predictions for some rows change when it reads fewer of them."""
    few = rows.head(_FEW)
    (again,) = session.run(few)
    if not np.allclose(again, values[: len(few)], 1e-4, 1e-4, equal_nan=True):
        raise ModelFileError(
            f"the predictions of {session.where} for a row depend on the other rows",
            where=session.where,
            got=f"other predictions for {len(few)} of {len(rows):,} rows",
            expected="the same prediction for a row in any batch",
            next_step="export it for inference: model.eval() before torch.onnx.export",
        )


@lru_cache(maxsize=4)
def _session(model: OnnxModel, tensor: str) -> Session:
    return Session(model.path, model.proto, model.inputs, [tensor])
