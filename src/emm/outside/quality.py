"""How well an outside model predicts the labelled rows of train and validation."""

from pathlib import Path

import numpy as np
import polars as pl
import torch

from emm.core.errors import DataError
from emm.data.tables.names import label_column
from emm.data.tables.schema import CLASSES, REGRESSION
from emm.metrics.tasks import labelled, score
from emm.outside.logits import Values


def quality(kind: str, scores: Values, processed: Path, split: str, task: str) -> float | None:
    """AUC, macro AUC of classes, or R squared, of scores [N, C] for a split's labelled rows.

    None where it is undefined: a single class, or a single value.
    """
    labels = pl.read_parquet(processed / f"{split}.parquet", columns=[label_column(task)])
    numbers = labels.to_series().cast(pl.Float32).fill_null(float("nan")).to_numpy()
    found = torch.from_numpy(np.ascontiguousarray(scores, np.float32))
    pair = labelled(found if kind == CLASSES else found[:, 0], torch.from_numpy(numbers.copy()))
    try:
        return score(kind, *pair)
    except DataError:
        return None


def metric_of(kind: str) -> str:
    """The name of that score."""
    return "r2" if kind == REGRESSION else "auc"
