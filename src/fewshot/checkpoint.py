"""Checkpoints of a meta-training: tensors and plain JSON that belong to one configuration."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from emm.core.files import atomic_folder, sha256, write_json
from emm.core.progress import say

_TENSORS, _ABOUT = "state.safetensors", "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """The ``folder`` of a training's saved state; ``key`` identifies its configuration."""

    folder: Path
    key: str


@dataclass(frozen=True)
class State:
    """State of a training: its tensors, and everything else as plain JSON."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]


def key_of(configuration: Any) -> str:
    """Hash of a configuration, which is plain JSON."""
    text = json.dumps(configuration, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_checkpoint(checkpoint: Checkpoint, state: State) -> None:
    """Save ``state`` in place of the previous one."""
    with atomic_folder(checkpoint.folder) as out:
        tensors = {name: value.detach().cpu() for name, value in state.tensors.items()}
        save_file(tensors, out / _TENSORS)
        about = {
            "key": checkpoint.key,
            "sha256": sha256(out / _TENSORS),
            "about": dict(state.about),
        }
        write_json(out / _ABOUT, about)


def read_checkpoint(checkpoint: Checkpoint) -> State | None:
    """Read the saved state; None if there is none.

    A state that is damaged or belongs to another configuration is ignored with a message.
    """
    folder = checkpoint.folder
    if not folder.exists():
        return None
    try:
        found: Any = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if found["key"] != checkpoint.key:
            return _ignore(folder, "its settings, images or torch version differ")
        if found["sha256"] != sha256(folder / _TENSORS):
            return _ignore(folder, "it is damaged")
        return State(load_file(folder / _TENSORS), found["about"])
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        return _ignore(folder, str(error))


def _ignore(folder: Path, why: str) -> State | None:
    say(f"training starts from the beginning, the checkpoint in {folder} is not used: {why}")
    return None
