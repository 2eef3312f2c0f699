"""What an interrupted training goes on from: tensors and plain JSON, of one configuration."""

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
    """Where a training keeps its state, and a name for all that it depends on."""

    folder: Path
    key: str


@dataclass(frozen=True)
class State:
    """Where a training stands: its tensors, and what else it needs as plain JSON."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]


def key_of(configuration: Any) -> str:
    """A name for everything that a training depends on, given as plain JSON."""
    text = json.dumps(configuration, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_checkpoint(checkpoint: Checkpoint, state: State) -> None:
    """Put ``state`` in the place of what was kept before."""
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
    """The state that was kept; None if there is none, and with a word on why if the one that is
    there is damaged or of another configuration."""
    folder = checkpoint.folder
    if not folder.exists():
        return None
    try:
        found: Any = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if found["key"] != checkpoint.key:
            return _passed_over(folder, "it is of other parameters, data or code")
        if found["sha256"] != sha256(folder / _TENSORS):
            return _passed_over(folder, "it is damaged")
        return State(load_file(folder / _TENSORS), found["about"])
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        return _passed_over(folder, str(error))


def _passed_over(folder: Path, why: str) -> State | None:
    say(f"starting anew, without the checkpoint in {folder}: {why}")
    return None
