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
from emm.data.tables.schema import REGRESSION
from emm.nn.inputs import Inputs
from emm.outside.factories import load_factory
from emm.outside.scorer import Batches, Context, ModelInput, Torch
from emm.outside.settings import Gives, OutsideModel
from emm.training.store import load_weights

SAVE = (
    "save the weights as safetensors where the network can be built: "
    "`from safetensors.torch import save_file`, "
    "`save_file(model.state_dict(), 'pool/NAME.safetensors')`"
)


@dataclass(frozen=True, eq=False)
class NetworkScorer:
    """A network with its weights (`emm.outside.scorer.OutsideScorer`)."""

    name: str
    model: nn.Module
    context: Context

    kind: Literal["network"] = "network"
    columns: Literal["encoded"] = "encoded"
    gives: Gives | None = None
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
        logits = self._run(dense, sparse)
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

    def _run(self, dense: Tensor, sparse: Tensor) -> Any:
        try:
            return self.model(dense, sparse)
        except Exception as error:  # the network's own code may raise anything
            raise ModelFileError(
                f"{self.name} can't be run: {type(error).__name__}: {error}",
                where="its forward",
                got=f"an error for dense {list(dense.shape)} and sparse {list(sparse.shape)}",
                expected="logits of these rows",
                next_step="correct the network, or name the weights that belong to it",
            ) from error


def open_model(name: str, entry: OutsideModel, context: Context) -> NetworkScorer:
    """Build the network of an entry, whose factory must be trusted, with its weights."""
    # A regression's outputs are standardised as the processed labels are, like a logit as they are.
    gives = "logit" if context.kind == REGRESSION else entry.gives
    return NetworkScorer(name, load_network(name, entry, context.inputs), context, gives=gives)


def load_network(name: str, entry: OutsideModel, inputs: Inputs) -> nn.Module:
    """The network of an entry in eval mode.

    Raises ModelFileError if its weights are damaged or another model's, or its factory isn't
    trusted; ParamsError if there is no such factory.
    """
    model, weights = load_factory(str(entry.factory))(inputs), Path(str(entry.weights))
    _require_safetensors(name, weights)
    try:
        model.load_state_dict(load_weights(weights))
    except RuntimeError as error:
        raise ModelFileError(
            f"{weights} doesn't fit the model that {entry.factory} builds: {error}",
            where=weights,
            next_step="name the factory and the weights of the same model",
        ) from error
    return model.eval()


def _require_safetensors(name: str, weights: Path) -> None:
    """Refuse what torch.save wrote: a zip archive or a bare pickle, which could run code."""
    try:
        with weights.open("rb") as file:
            head = file.read(9)
    except OSError:
        return  # reading it says why
    # A safetensors file begins with the length of a JSON object, and may look like either.
    if head[8:] != b"{" and head.startswith((b"PK\x03\x04", b"\x80")):
        raise ModelFileError(
            f"the weights of {name} are a pickle of PyTorch, which could run code",
            where=weights,
            got="a file of torch.save",
            expected="a safetensors file",
            next_step=SAVE,
        )


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
