"""What a model offers that predicts new rows, and the columns of its predictions.

Shapes: N rows, T tasks, O logits of all tasks.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.tables.inputs import Inputs
from emm.data.tables.kinds import RawKind
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION, Schema
from emm.predict.encoder import Encoder

Logits = NDArray[np.float32]

FUNNEL = ("ctr", "cvr", "ctcvr")
_LARGEST_CVR = 1 - 1e-6  # as in emm.metrics.funnels: a ratio of two outputs may exceed 1


class RowModel(Protocol):
    """A model that predicts rows.

    Attributes:
        encoder: of its features.
        raw: raw columns that it reads besides the features, by name, with their kinds.
    """

    @property
    def encoder(self) -> Encoder: ...
    @property
    def raw(self) -> Mapping[str, RawKind]: ...

    def logits(self, encoded: pl.DataFrame, raw: pl.DataFrame) -> Logits:
        """The logits [N, O] of rows; ``encoded``: their features as the encoder gives them;
        ``raw``: the same rows in all raw columns that are read."""
        ...


NO_NUMBER = "the model gives no number for it"
"""Why a row has no prediction whose values could be read, such as one beyond all bounds."""


def finite(logits: Logits) -> pl.Series:
    """Which rows of logits [N, O] are numbers."""
    return pl.Series(np.isfinite(logits).all(axis=1))


def logit_names(schema: Schema) -> list[str]:
    """A name for each logit: the task, or the task and the class."""
    return [
        name
        for task in schema.tasks
        for name in (
            [f"{task}:{each}" for each in schema.classes[task]]
            if task in schema.classes
            else [task]
        )
    ]


def logit_frame(schema: Schema, logits: Logits) -> pl.DataFrame:
    """The logits [N, O] as columns; of a regression its standardised values."""
    return pl.DataFrame(dict(zip(logit_names(schema), logits.T, strict=True)))


def predictions(schema: Schema, inputs: Inputs, logits: Logits) -> pl.DataFrame:
    """What the logits [N, O] mean.

    A binary task has the probability of 1, a regression its value in the task's own units, and a
    task of classes a probability for each class, ``task:class``. A funnel has also ``ctr``, ``cvr``
    and ``ctcvr``: the probabilities of a click, of a conversion after a click, and of both.
    """
    columns, found = iter(logits.T.astype(np.float64)), dict[str, pl.Series]()
    for task in schema.tasks:
        if schema.kind(task) == REGRESSION:
            target = schema.targets[task]
            found[task] = pl.Series(next(columns) * target.std + target.mean)
        elif schema.kind(task) == CLASSES:
            classes = schema.classes[task]
            shares = _softmax(np.stack([next(columns) for _ in classes]))
            found |= {f"{task}:{c}": _single(p) for c, p in zip(classes, shares, strict=True)}
        else:
            assert schema.kind(task) == BINARY
            found[task] = _single(np.exp(_log_sigmoid(next(columns))))
    if schema.funnel:
        names = logit_names(schema)
        click, conversion = (logits[:, names.index(step)] for step in schema.funnel)
        funnel = _funnel(click.astype(np.float64), conversion.astype(np.float64), inputs)
        found |= {_free(name, schema): each for name, each in funnel.items()}
    return pl.DataFrame(found)


def _funnel(
    click: NDArray[np.float64], conversion: NDArray[np.float64], inputs: Inputs
) -> dict[str, pl.Series]:
    """The probabilities from the logits [N] of a click and of the conversion's label."""
    ctr, own = _log_sigmoid(click), _log_sigmoid(conversion)
    if inputs.given_click:
        found = ctr, own, ctr + own
    else:
        found = ctr, np.minimum(own - ctr, np.log(_LARGEST_CVR)), own
    return {name: _single(np.exp(each)) for name, each in zip(FUNNEL, found, strict=True)}


def _free(name: str, schema: Schema) -> str:
    """The name of a column of the funnel, which a task may have."""
    return f"funnel:{name}" if name in schema.tasks else name


def _log_sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = -np.logaddexp(0.0, -logits)
    return found


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """logits [C, N] -> probabilities [C, N]."""
    odds = np.exp(logits - logits.max(axis=0, keepdims=True))
    shares: NDArray[np.float64] = odds / odds.sum(axis=0, keepdims=True)
    return shares


def _single(values: NDArray[np.float64]) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64).cast(pl.Float32)
