"""What the reader of each kind of outside model offers to the stage `score`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from emm.data.tables.kinds import RawKind
from emm.data.tables.schema import DenseColumn, Target
from emm.nn.inputs import Inputs
from emm.nn.structure import Layer
from emm.outside.settings import Gives

Batches = Iterator[pl.DataFrame]


@dataclass(frozen=True)
class Context:
    """The task and the columns that a model is opened for.

    Attributes:
        task: its name.
        kind: of the task: binary, regression or classes.
        outputs: number of logits of the task.
        inputs: of a network on the processed columns.
        encoded: names of the D + F processed columns, dense ones first.
        raw: the kind of every column of the raw files, by name.
        target: mean and standard deviation of a regression task.
        classes: names of the classes of a task of classes, in the order of their numbers.
        dense: statistics of the D dense columns over train, by which trees show whether they were
            trained on raw or on processed columns.
    """

    task: str
    kind: str
    outputs: int
    inputs: Inputs
    encoded: tuple[str, ...]
    raw: Mapping[str, RawKind]
    target: Target | None = None
    classes: tuple[str, ...] = ()
    dense: tuple[DenseColumn, ...] = ()


@dataclass(frozen=True)
class ModelInput:
    """A column that a model reads.

    ``name``: of the column in the model; columns of a matrix are ``matrix[0]``, ``matrix[1]``, ...
    ``kind``: text, number (Float64) or integer (Int64); None: text or number as the column is.
    """

    name: str
    kind: RawKind | None


@dataclass(frozen=True)
class Opaque:
    """A model whose logits are all that is used of it, and why."""

    reason: str


@dataclass(frozen=True)
class Torch:
    """A model that runs in torch on the processed columns: a network by factory, or trees."""


class CutNetwork(Protocol):
    """A network that is cut: its layers after the first unit are rebuilt in torch.

    Attributes:
        description: plain JSON from which the layers are rebuilt.
        layers: front, layers and output, in order.
        weights: of the layers, by name.
    """

    @property
    def description(self) -> dict[str, Any]: ...
    @property
    def layers(self) -> Sequence[Layer]: ...
    @property
    def weights(self) -> Mapping[str, Tensor]: ...

    def scored_input(self, batches: Batches) -> NDArray[np.float32]:
        """The output of the front and the first unit: [N, H1]."""
        ...


class OutsideScorer(Protocol):
    """A trained model from outside, opened.

    Attributes:
        kind: ``onnx``, ``lightgbm``, ``xgboost``, ``catboost`` or ``network``.
        columns: whether it reads raw or encoded columns.
        inputs: the columns that it reads, in its order.
        gives: what `predict` returns; None: its file doesn't say it.
        join: how it joins the pool.
        said: sentences about the model that a user should read.
    """

    @property
    def kind(self) -> str: ...
    @property
    def columns(self) -> Literal["raw", "encoded"]: ...
    @property
    def inputs(self) -> Sequence[ModelInput]: ...
    @property
    def gives(self) -> Gives | None: ...
    @property
    def join(self) -> Opaque | CutNetwork | Torch: ...
    @property
    def said(self) -> Sequence[str]: ...

    def predict(self, batches: Batches) -> NDArray[np.floating[Any]]:
        """The output [N, outputs] for batches whose columns are ``inputs``, in that order.

        Missing values are null. For a task with one logit, [N, 1]; for classes, one column per
        class in the task's order. As the original's predictions are: what the reference compares.
        """
        ...
