"""Torch networks by factory, as outside models on the processed columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import INTEGER, NUMBER
from emm.nn.inputs import Inputs
from emm.outside.factories import load_factory
from emm.outside.scorer import Batches, Context, ModelInput, Torch
from emm.outside.settings import OutsideModel
from emm.training.store import load_weights


@dataclass(frozen=True, eq=False)
class NetworkScorer:
    """A network with its weights (`emm.outside.scorer.OutsideScorer`)."""

    name: str
    model: nn.Module
    context: Context

    kind: Literal["network"] = "network"
    columns: Literal["encoded"] = "encoded"
    gives: Literal["logit"] = "logit"
    said: tuple[str, ...] = ()
    join: Torch = field(default_factory=Torch)

    @property
    def inputs(self) -> Sequence[ModelInput]:
        """All processed columns, dense ones first."""
        dense = self.context.inputs.dense
        kinds = (NUMBER if at < dense else INTEGER for at in range(len(self.context.encoded)))
        return [*map(ModelInput, self.context.encoded, kinds)]

    def predict(self, batches: Batches) -> NDArray[np.floating[Any]]:
        """The logits [N, outputs]. Raises ModelFileError for an output of another shape."""
        with torch.inference_mode():
            found = [self._logits(batch) for batch in batches]
        return np.concatenate([np.zeros((0, self.context.outputs), np.float32), *found])

    def _logits(self, batch: pl.DataFrame) -> NDArray[Any]:
        dense, sparse = network_inputs(batch, self.context.inputs)
        logits = self.model(dense, sparse)
        expected = [len(batch), self.context.outputs]
        if not isinstance(logits, Tensor) or list(logits.shape) != expected:
            shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ModelFileError(
                f"{self.name} doesn't return one logit per row"
                if self.context.outputs == 1
                else f"{self.name} doesn't return one logit per class and row",
                where="its forward",
                got=shape,
                expected=f"[rows, {self.context.outputs}]: {expected}",
                next_step="return logits of this shape, before any sigmoid or softmax",
            )
        return logits.float().numpy()


def open_model(name: str, entry: OutsideModel, context: Context) -> NetworkScorer:
    """Build the network of an entry, whose factory must be trusted, with its weights."""
    return NetworkScorer(name, load_network(entry, context.inputs), context)


def load_network(entry: OutsideModel, inputs: Inputs) -> nn.Module:
    """The network of an entry in eval mode.

    Raises ModelFileError if its weights are damaged or another model's, or its factory isn't
    trusted; ParamsError if there is no such factory.
    """
    model, weights = load_factory(str(entry.factory))(inputs), Path(str(entry.weights))
    try:
        model.load_state_dict(load_weights(weights))
    except RuntimeError as error:
        raise ModelFileError(
            f"{weights} doesn't fit the model that {entry.factory} builds: {error}",
            where=weights,
            next_step="name the factory and the weights of the same model",
        ) from error
    return model.eval()


def network_inputs(batch: pl.DataFrame, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Rows of the processed columns, dense ones first -> dense [B, D], sparse [B, F]."""
    columns = batch.get_columns()
    dense = [column.cast(pl.Float32).to_numpy() for column in columns[: inputs.dense]]
    sparse = [column.cast(pl.Int32).to_numpy() for column in columns[inputs.dense :]]
    return (
        torch.from_numpy(_stacked(dense, len(batch), np.float32)),
        torch.from_numpy(_stacked(sparse, len(batch), np.int32)),
    )


def _stacked(columns: Sequence[NDArray[Any]], rows: int, kind: type) -> NDArray[Any]:
    return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), kind)
