"""A search that was interrupted goes on after its last whole epoch."""

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
    """What tells a search's checkpoint apart: a digest of everything that its result depends on."""
    text = json.dumps(configuration, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def save(folder: Path, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Put a checkpoint in the place of the one before, in one step."""
    with atomic_folder(folder) as temporary:
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(held, temporary / TENSORS)
        write_json(temporary / REST, rest)


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What was saved last, or None; a damaged checkpoint counts for none."""
    try:
        rest: dict[str, Any] = json.loads((folder / REST).read_text(encoding="utf-8"))
        return load_file(folder / TENSORS), rest
    except (OSError, ValueError, SafetensorError):
        return None


def remove(folder: Path) -> None:
    """Of a search that has ended."""
    shutil.rmtree(folder, ignore_errors=True)


def optimiser_tensors(
    optimiser: torch.optim.Optimizer, names: Mapping[Tensor, str]
) -> dict[str, Tensor]:
    """An Adam's state by the names of its parameters."""
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
    """Give an Adam the state that `optimiser_tensors` took."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            own = {
                key.rpartition("/")[2]: value.to(parameter.device)
                for key, value in tensors.items()
                if key.rpartition("/")[0] == names[parameter]
            }
            if own:
                optimiser.state[parameter] = own
