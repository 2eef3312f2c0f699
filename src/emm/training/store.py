"""Trained models stored as folders: model.safetensors and model.json, which can't run code."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emm.config.binding import bind, bind_keywords
from emm.core.errors import ModelFileError
from emm.core.files import sha256, write_json
from emm.data.tables.schema import Schema
from emm.models import MODELS, model_class
from emm.nn.inputs import Inputs

FORMAT = 1
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"

_BEFORE: Mapping[str, Mapping[str, Any]] = {"emm": {"projections": "linear"}}
"""Arguments that older descriptions lack, by architecture, with the values that they stood for."""


@dataclass(frozen=True)
class Description:
    """Everything about a model but its weights, as in model.json.

    ``architecture``: a key of MODELS; ``arguments``: those of its class besides inputs and tasks.
    """

    architecture: str
    arguments: Mapping[str, Any]
    inputs: Inputs
    tasks: tuple[str, ...]
    name: str
    dataset: str
    schema_sha256: str
    recipe: str
    seed: int

    def build(self) -> nn.Module:
        """Build the model with fresh weights. Raises ValueError for unknown arguments."""
        model_type: Any = model_class(self.architecture)
        errors: list[str] = []
        bind_keywords(model_type, self.arguments, "arguments", errors)
        if errors:
            raise ValueError("; ".join(errors))
        module: nn.Module = model_type(self.inputs, len(self.tasks), **self.arguments)
        return module


def inputs_of(schema: Schema) -> Inputs:
    """The inputs of a model for data with this schema."""
    bags = tuple(column.cardinality for column in schema.bags)
    return Inputs(len(schema.dense), schema.cardinalities, schema.edges, bags)


def save_model(folder: Path, model: nn.Module, description: Description) -> None:
    """Write both files to ``folder``, which the caller makes appear atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
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


def load_description(folder: Path) -> Description:
    """Read model.json and verify the hash of the weights. Raises ModelFileError."""
    try:
        about: Any = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        weights_hash = sha256(folder / WEIGHTS)
    except (OSError, ValueError) as error:
        raise _refused(folder, f"can't be read: {error}") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise _refused(folder, "is of another format", expected=f"format {FORMAT}")
    if weights_hash != about.get("weights_sha256"):
        raise _refused(
            folder,
            "was altered or truncated",
            got=weights_hash,
            expected=about.get("weights_sha256"),
        )
    errors: list[str] = []
    description: Description = bind(Description, about.get("description"), "description", errors)
    if errors:
        raise _refused(folder, f"is damaged: {'; '.join(errors)}")
    if description.architecture not in MODELS:
        raise _refused(folder, "has an unknown architecture", got=description.architecture)
    older = _BEFORE.get(description.architecture, {})
    return replace(description, arguments={**older, **description.arguments})


def load_weights(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a safetensors file. Raises ModelFileError if it is damaged."""
    try:
        return load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _refused(path, f"can't be read: {error}") from error


def load_model(
    folder: Path, schema_sha256: str, inputs: Inputs | None = None
) -> tuple[nn.Module, Description]:
    """Load a stored model in eval mode.

    Raises ModelFileError before any weight is used if the model is damaged, or was trained on data
    with another schema than ``schema_sha256`` or with other ``inputs``. model.json has no hash of
    its own: an edit that still describes a model with these weights is only noticed by
    `emm verify`.
    """
    description = load_description(folder)
    if description.schema_sha256 != schema_sha256:
        raise _refused(
            folder,
            "was trained on data with another encoding",
            got=description.schema_sha256,
            expected=schema_sha256,
        )
    if inputs is not None and description.inputs != inputs:
        raise _refused(folder, "describes other inputs than the data's")
    try:
        model = description.build()
        model.load_state_dict(load_weights(folder / WEIGHTS))
    except (RuntimeError, TypeError, ValueError) as error:
        raise _refused(folder, f"doesn't fit its description: {error}") from error
    return model.eval(), description


class Stored(NamedTuple):
    """A stored model, and its folder."""

    model: nn.Module
    description: Description
    folder: Path


def load_models(folder: Path, schema: Schema, schema_sha256: str) -> list[Stored]:
    """The model of all tasks in ``folder``, or the single-task models in its subfolders, in the
    order of the tasks. Raises ModelFileError, see `load_model`."""
    multi_task = (folder / DESCRIPTION).exists()
    found = []
    for each in [folder] if multi_task else [folder / task for task in schema.tasks]:
        model, description = load_model(each, schema_sha256, inputs_of(schema))
        expected = schema.tasks if multi_task else (each.name,)
        if description.tasks != expected:
            raise ModelFileError(
                f"the stored model {each} is for other tasks",
                where=each,
                got=description.tasks,
                expected=expected,
                next_step="dvc repro",
            )
        found.append(Stored(model, description, each))
    return found


def _refused(
    where: Path, what: str, *, got: object = None, expected: object = None
) -> ModelFileError:
    return ModelFileError(
        f"the stored model {where} {what}",
        where=where,
        got=got,
        expected=expected,
        next_step="dvc checkout to restore it, or dvc repro to train it again",
    )
