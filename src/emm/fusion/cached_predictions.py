"""Cached predictions of a pool for the rows on which a fusion learns, stored as one file.

They are computed once, by `emm.fusion.out_of_fold`, before any fusion is trained.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from emm.core.errors import ModelFileError
from emm.fusion.members import Members
from emm.fusion.scored import FOLDER, scored_columns
from emm.training.store import load_weights

CACHED_PREDICTIONS = "given.safetensors"
OUT_OF_FOLD = "out-of-fold"

# By the name of a member: for a tree ensemble and a whole network, [N, C] the shares of the levels
# in the logit, one logit after another; for a network that is cut, an offset to each of its logits,
# [N, 1] for a single one.
Predictions = dict[str, Tensor]


def save_cached_predictions(folder: Path, splits: Mapping[str, Predictions]) -> None:
    """Write the predictions for each split to ``folder``."""
    tensors = {
        f"{split}/{name}": values.cpu().contiguous()
        for split, predictions in splits.items()
        for name, values in predictions.items()
    }
    save_file(tensors, folder / CACHED_PREDICTIONS)


def load_cached_predictions(
    folder: Path, members: Members, split: str, rows: int, outputs: Sequence[int] = ()
) -> Tensor:
    """Load the predictions for a split, [N, K] with the columns that `EMM` reads.

    The offset of a network without one is 0. ``folder``: that of a seed; the scores of outside
    members are next to it. ``outputs``: number of logits of each task, () if all have one. Raises
    ModelFileError if a file is damaged, or lacks a member.
    """
    path = folder / CACHED_PREDICTIONS
    tensors = load_weights(path)
    shares = [f"{split}/{member.name}" for member in members.shared]
    missing = [key for key in shares if key not in tensors]
    if missing:
        raise ModelFileError(
            f"{path} lacks {missing[0]}", where=path, next_step="dvc repro --force decompose"
        )
    prefix = f"{split}/"
    own = {key.removeprefix(prefix): x for key, x in tensors.items() if key.startswith(prefix)}
    columns = cached_columns(members, own, rows, outputs)
    if not members.scored_names:
        return columns
    # Nobody trained outside models without a fold: they are used as they are.
    scores = "train" if split == OUT_OF_FOLD else split
    scored = scored_columns(folder.parent / FOLDER, members, scores, rows, outputs)
    return torch.cat([columns, scored], dim=1)


def cached_columns(
    members: Members, predictions: Predictions, rows: int, outputs: Sequence[int] = ()
) -> Tensor:
    """Predictions as the columns [N, K] that `EMM` reads, without scored ones.

    The offset of a network without one is 0.
    """
    offsets = [
        predictions[member.name]
        if member.name in predictions
        else torch.zeros(rows, outputs[member.task] if outputs else 1)
        for member in members.networks
    ]
    columns = [*(predictions[member.name] for member in members.shared), *offsets]
    # A pool may have nothing but scored members.
    return torch.cat(columns, dim=1) if columns else torch.zeros(rows, 0)
