"""Save and load a meta-trained network: a folder with maml.safetensors and maml.json."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from emm.config.binding import bind
from emm.core.errors import ModelFileError
from emm.core.files import sha256, write_json
from fewshot.network import FewShotNetwork

FORMAT = 1
WEIGHTS, DESCRIPTION = "maml.safetensors", "maml.json"


@dataclass(frozen=True)
class Description:
    """How the network was built and trained.

    ``images_sha256``: hash of the images' index; ``arguments``: of `FewShotNetwork`;
    ``iteration`` and ``accuracy``: of the best validation, whose weights were saved.
    """

    name: str
    dataset: str
    recipe: str
    seed: int
    images_sha256: str
    arguments: Mapping[str, Any]
    iteration: int
    accuracy: float


def save_network(folder: Path, network: nn.Module, description: Description) -> None:
    """Write both files into ``folder``, which the caller replaces atomically."""
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    about = {
        "format": FORMAT,
        "description": asdict(description),
        "weights_sha256": sha256(folder / WEIGHTS),
        "versions": {
            "emm": version("emm"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    write_json(folder / DESCRIPTION, about)


def load_network(folder: Path, images_sha256: str) -> tuple[FewShotNetwork, Description]:
    """Load a network. Raises ModelFileError if it is damaged or was trained on other images."""
    try:
        about: Any = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        found = sha256(folder / WEIGHTS)
    except (OSError, ValueError) as error:
        raise _error(folder, "can't be read", str(error)) from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise _error(folder, "has an unknown format", about, f"format {FORMAT}")
    if found != about.get("weights_sha256"):
        raise _error(folder, "was modified or is incomplete", found, about.get("weights_sha256"))
    errors: list[str] = []
    description: Description = bind(Description, about.get("description"), "description", errors)
    if errors:
        raise _error(folder, "is damaged", "; ".join(errors))
    if description.images_sha256 != images_sha256:
        got = description.images_sha256
        raise _error(folder, "was trained on other images", got, images_sha256)
    return _build(folder, description), description


def _build(folder: Path, description: Description) -> FewShotNetwork:
    try:
        network = FewShotNetwork(**description.arguments)
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (RuntimeError, TypeError, ValueError, SafetensorError) as error:
        raise _error(folder, "doesn't match its description", str(error)) from error
    return network


def _error(folder: Path, what: str, got: object, expected: object = None) -> ModelFileError:
    return ModelFileError(
        f"the stored network {folder} {what}",
        got=got,
        expected=expected,
        next_step="dvc checkout to restore it, or dvc repro to train it again",
    )
