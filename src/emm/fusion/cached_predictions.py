"""What a pool says of the rows that a fusion learns on, as a file: see `emm.fusion.out_of_fold`."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from emm.core.errors import ModelFileError
from emm.fusion.pool import Members
from emm.training.store import load_weights

GIVEN = "given.safetensors"

# What is given of each member, by its name: [N, C] shares of a tree ensemble's logit by level, or
# [N, 1] what to add to a network's logit.
Columns = dict[str, Tensor]


def save_given(folder: Path, splits: Mapping[str, Columns]) -> None:
    """Write each split's columns into ``folder``."""
    tensors = {
        f"{split}/{name}": values.cpu().contiguous()
        for split, columns in splits.items()
        for name, values in columns.items()
    }
    save_file(tensors, folder / GIVEN)


def load_given(folder: Path, members: Members, split: str, rows: int) -> Tensor:
    """A split's columns as `EMM` reads them, [N, trees*C + networks].

    ModelFileError if the file is damaged, or lacks the shares of one of the trees.
    """
    tensors = load_weights(folder / GIVEN)
    trees = [f"{split}/{member.name}" for member in members.trees]
    networks = [f"{split}/{member.name}" for member in members.networks]
    lacking = [key for key in trees if key not in tensors]
    if lacking:
        raise ModelFileError(
            f"{folder / GIVEN} lacks {lacking[0]}",
            where=folder / GIVEN,
            next_step="dvc repro --force decompose",
        )
    nothing = torch.zeros(rows, 1)
    return torch.cat(
        [*(tensors[key] for key in trees), *(tensors.get(key, nothing) for key in networks)], dim=1
    )
