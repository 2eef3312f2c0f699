"""The component pool: trained models of one seed, cut into levels, on disk and in memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from emm.core.binding import bind
from emm.core.errors import ModelFileError
from emm.core.files import sha256, write_json
from emm.fusion.factories import load_factory
from emm.fusion.layers import Component
from emm.models import MODELS, model_class
from emm.models.store import load_weights
from emm.nn.inputs import Inputs

FORMAT = 1
COMPONENTS = "components.safetensors"
DESCRIPTION = "components.json"

# In place of an architecture's name: the member is built by the function that its arguments name.
FACTORY = "factory"


@dataclass(frozen=True)
class Member:
    """One trained model of the pool and where it was cut.

    ``task``: the number of its task; ``levels``: layer names of each level's component;
    ``tower``: those of the rest; ``widths``: output width of each level. ``architecture`` and
    ``arguments`` rebuild its layers.
    """

    name: str
    task: int
    architecture: str
    arguments: Mapping[str, Any]
    levels: tuple[tuple[str, ...], ...]
    tower: tuple[str, ...]
    widths: tuple[int, ...]
    source_sha256: str

    def build(self, inputs: Inputs) -> "CutModel":
        """The member's components and tower, with fresh weights."""
        if self.architecture == FACTORY:
            return CutModel(load_factory(self.arguments[FACTORY])(inputs), self)
        if self.architecture not in MODELS:
            raise ModelFileError(
                f"{self.name} has an unknown architecture",
                got=self.architecture,
                expected=f"one of {', '.join(MODELS)}",
                next_step="dvc checkout to restore the file, or dvc repro",
            )
        model_type: Any = model_class(self.architecture)
        return CutModel(model_type(inputs, 1, **self.arguments), self)


class CutModel(nn.Module):
    """A trained model in parts: ``levels``, one component each, and ``tower``."""

    def __init__(self, model: nn.Module, member: Member) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_component(model, names) for names in member.levels)
        self.tower = _component(model, member.tower)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """The parts put together again, which is the model: dense, sparse -> logits [B, 1]."""
        first, *others = self.levels
        value: Tensor = first(dense, sparse)
        for component in others:
            value = component(value)
        logits: Tensor = self.tower(value)
        return logits


@dataclass(frozen=True)
class Pool:
    """All members, the tensors of their parts, and what they were trained on."""

    members: tuple[Member, ...]
    tensors: Mapping[str, Tensor]
    tasks: tuple[str, ...]
    schema_sha256: str
    seed: int

    def part(self, number: int, name: str) -> dict[str, Tensor]:
        """Tensors of one member's ``levels`` or ``tower``, by their names in that part."""
        prefix = f"{number}.{name}."
        return {
            key.removeprefix(prefix): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(prefix)
        }

    def describe(self) -> list[dict[str, Any]]:
        """The members as plain JSON, from which a fused model can be built again."""
        return [asdict(member) for member in self.members]


def _component(model: nn.Module, names: Sequence[str]) -> Component:
    return Component([model.get_submodule(name) for name in names])


def save_pool(pool: Pool, folder: Path) -> None:
    """Write components.safetensors and components.json into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    # A layer that a model calls twice stands in two places: each gets a copy of its own.
    tensors = {key: value.contiguous().clone() for key, value in pool.tensors.items()}
    save_file(tensors, folder / COMPONENTS)
    about = {
        "format": FORMAT,
        "tasks": pool.tasks,
        "schema_sha256": pool.schema_sha256,
        "seed": pool.seed,
        "components_sha256": sha256(folder / COMPONENTS),
        "members": pool.describe(),
    }
    write_json(folder / DESCRIPTION, about)


def load_pool(folder: Path, schema_sha256: str) -> Pool:
    """Read a pool; ModelFileError before any weight is used if it is damaged, or was trained on
    data encoded otherwise than ``schema_sha256``."""
    try:
        about: Any = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        found = sha256(folder / COMPONENTS)
    except (OSError, ValueError) as error:
        raise _refused(folder, f"can't be read: {error}") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise _refused(folder, f"is not of format {FORMAT}")
    if about.get("components_sha256") != found:
        raise _refused(folder, "were altered or cut off")
    if about.get("schema_sha256") != schema_sha256:
        raise _refused(folder, "were trained on data with another encoding")
    errors: list[str] = []
    members = bind(tuple[Member, ...], about.get("members"), "members", errors)
    if errors:
        raise _refused(folder, f"are damaged: {'; '.join(errors)}")
    return Pool(
        members,
        load_weights(folder / COMPONENTS),
        tuple(about["tasks"]),
        about["schema_sha256"],
        about["seed"],
    )


def _refused(folder: Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"the components in {folder} {what}",
        where=folder,
        next_step="dvc checkout to restore them, or dvc repro decompose",
    )
