"""Scoring of trees on tables of raw columns, as the stage `score` does it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.tables.kinds import RawKind, kind_of_type
from emm.data.tables.schema import DenseColumn
from emm.nn.inputs import Inputs
from emm.outside.open import open_model
from emm.outside.scorer import Context, OutsideScorer
from emm.outside.settings import OutsideModel
from emm.outside.typed import model_rows


def context_of_table(
    table: pl.DataFrame,
    kind: str = "binary",
    outputs: int = 1,
    *,
    inputs: Inputs | None = None,
    encoded: Sequence[str] = (),
    dense: Sequence[DenseColumn] = (),
    classes: Sequence[str] = (),
) -> Context:
    """The context of a task whose raw columns are those of ``table``."""
    raw: Mapping[str, RawKind] = {
        name: kind_of_type(dtype) or "text" for name, dtype in table.schema.items()
    }
    return Context(
        "task",
        kind,
        outputs,
        inputs or Inputs(0, ()),
        tuple(encoded),
        raw,
        classes=tuple(classes),
        dense=tuple(dense),
    )


def opened(path: Path, context: Context, **entry: Any) -> OutsideScorer:
    return open_model("model", OutsideModel("task", model=str(path), **entry), context)


def scored(
    model: OutsideScorer, table: pl.DataFrame, columns: Mapping[str, str] | None = None
) -> NDArray[Any]:
    """Predictions [N, outputs] for all rows, in two batches; ``columns``: by input, an expression
    instead of the column of its name."""
    names = {each.name: (columns or {}).get(each.name, each.name) for each in model.inputs}
    half = len(table) // 2
    parts = (table[:half], table[half:])
    return np.asarray(model.predict(model_rows(part, model.inputs, names) for part in parts))


def probabilities(logits: NDArray[Any]) -> NDArray[Any]:
    return 1 / (1 + np.exp(-logits))
