"""Checkpoints of an architecture search, which resumes after its last complete epoch."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from emm.core.files import atomic_folder, write_json

TENSORS, REST = "tensors.safetensors", "rest.json"


def key_of(configuration: Mapping[str, Any]) -> str:
    """The name of a search's checkpoint: a digest of everything that its result depends on."""
    text = json.dumps(configuration, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def save(folder: Path, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Replace the previous checkpoint atomically."""
    with atomic_folder(folder) as temporary:
        copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(copies, temporary / TENSORS)
        write_json(temporary / REST, rest)


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The last checkpoint; None if there is none, or if it is damaged."""
    try:
        rest: dict[str, Any] = json.loads((folder / REST).read_text(encoding="utf-8"))
        return load_file(folder / TENSORS), rest
    except (OSError, ValueError, SafetensorError):
        return None


def remove(folder: Path) -> None:
    """Remove the checkpoint of a finished search."""
    shutil.rmtree(folder, ignore_errors=True)


def optimiser_tensors(
    optimiser: torch.optim.Optimizer, names: Mapping[Tensor, str]
) -> dict[str, Tensor]:
    """The state of Adam by the names of its parameters."""
    return {
        f"{names[parameter]}/{key}": value
        for parameter, state in optimiser.state.items()
        for key, value in state.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer,
    names: Mapping[Tensor, str],
    tensors: Mapping[str, Tensor],
) -> None:
    """Restore the state that `optimiser_tensors` returned."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            own = {
                key.rpartition("/")[2]: value.to(parameter.device)
                for key, value in tensors.items()
                if key.rpartition("/")[0] == names[parameter]
            }
            if own:
                optimiser.state[parameter] = own
