"""Scores of an outside model for every row of every split, as a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from emm.core.errors import ModelFileError
from emm.data.tables.schema import SPLITS

SCORES = "scores.safetensors"
ORIGINAL = "original"


def save_scores(
    folder: Path,
    splits: Mapping[str, NDArray[np.float32]],
    original: NDArray[np.float32] | None = None,
) -> None:
    """Write the scores [N, W] of each split to ``folder``.

    ``original``: the model's own logits of validation, if the scores are something else.
    """
    if set(splits) != set(SPLITS):
        raise ValueError(f"scores of {', '.join(splits)}, expected {', '.join(SPLITS)}")
    every = {**splits, **({} if original is None else {ORIGINAL: original})}
    save_file(
        {name: np.ascontiguousarray(each, np.float32) for name, each in every.items()},
        folder / SCORES,
    )


def load_scores(folder: Path, split: str, rows: int, width: int) -> Tensor:
    """The scores [N, W] of one split, or ``ORIGINAL``; only that is read.

    Raises ModelFileError unless they are those of so many ``rows`` and columns.
    """
    path = folder / SCORES
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            scores: Tensor = file.get_tensor(split)
    except (OSError, safetensors.SafetensorError) as error:
        raise _refused(path, f"can't be read: {error}") from error
    if scores.dtype != torch.float32 or scores.shape != (rows, width):
        raise _refused(
            path,
            "are those of other rows",
            got=f"{list(scores.shape)} of {split}",
            expected=f"[{rows}, {width}]",
        )
    return scores


def _refused(
    path: Path, what: str, *, got: object = None, expected: object = None
) -> ModelFileError:
    return ModelFileError(
        f"the scores {path} {what}",
        where=path,
        got=got,
        expected=expected,
        next_step="dvc repro score, or dvc checkout",
    )
