"""The pool: trained models of one seed, networks in parts and trees, on disk and in memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from emm.config.binding import bind, choose
from emm.core.errors import ModelFileError
from emm.core.files import sha256, write_json
from emm.fusion.factories import load_factory
from emm.fusion.layers import Component
from emm.fusion.layout import Layout
from emm.models import MODELS, model_class
from emm.nn.inputs import Inputs
from emm.training.store import load_weights

FORMAT = 2
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
class TreeMember:
    """One tree ensemble of the pool; ``sizes`` are what `TreeEnsemble` is built with."""

    name: str
    task: int
    sizes: Mapping[str, int]
    source_sha256: str


@dataclass(frozen=True)
class Members:
    """Who is in a pool: networks that were cut, and tree ensembles, which are cut by rounds."""

    networks: tuple[Member, ...]
    trees: tuple[TreeMember, ...]

    def layout(self, tasks: int) -> Layout:
        """The members by task."""
        return Layout(
            networks=tuple(_of_task(self.networks, task) for task in range(tasks)),
            trees=tuple(_of_task(self.trees, task) for task in range(tasks)),
            widths=tuple(member.widths for member in self.networks),
        )


@dataclass(frozen=True)
class Pool:
    """All members, the tensors of their parts, and what they were trained on."""

    members: Members
    tensors: Mapping[str, Tensor]
    tasks: tuple[str, ...]
    schema_sha256: str
    seed: int

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors below ``prefix``, such as ``networks.0.tower`` or ``trees.1``, by their names
        there."""
        return {
            key.removeprefix(f"{prefix}."): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(f"{prefix}.")
        }

    def only(self, names: Sequence[str]) -> "Pool":
        """The members called by ``names``, a whole name or the structure before its slash; all
        without a name. ParamsError for a name that nobody has."""
        if not names:
            return self
        called = [
            *(member.name for member in self.members.networks),
            *(member.name for member in self.members.trees),
        ]
        known = list(dict.fromkeys([*(name.split("/")[0] for name in called), *called]))
        for name in names:
            choose("member of the pool", name, known, "members in params.yaml", "correct the name")
        chosen = {name for name in called if {name, name.split("/")[0]} & {*names}}
        networks, trees = self.members.networks, self.members.trees
        kept = {
            "networks": [n for n, member in enumerate(networks) if member.name in chosen],
            "trees": [n for n, member in enumerate(trees) if member.name in chosen],
        }
        tensors = {
            f"{kind}.{new}.{key}": tensor
            for kind, numbers in kept.items()
            for new, old in enumerate(numbers)
            for key, tensor in self.part(f"{kind}.{old}").items()
        }
        members = Members(
            tuple(networks[n] for n in kept["networks"]), tuple(trees[n] for n in kept["trees"])
        )
        return replace(self, members=members, tensors=tensors)

    def describe(self) -> dict[str, Any]:
        """The members as plain JSON, from which a fused model can be built again."""
        return asdict(self.members)


def _of_task(members: Sequence[Member | TreeMember], task: int) -> tuple[int, ...]:
    return tuple(number for number, member in enumerate(members) if member.task == task)


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
    members: Members = bind(Members, about.get("members"), "members", errors)
    tasks: tuple[str, ...] = bind(tuple[str, ...], about.get("tasks"), "tasks", errors)
    seed: int = bind(int, about.get("seed"), "seed", errors)
    if errors:
        raise _refused(folder, f"are damaged: {'; '.join(errors)}")
    return Pool(members, load_weights(folder / COMPONENTS), tasks, schema_sha256, seed)


def _refused(folder: Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"the components in {folder} {what}",
        where=folder,
        next_step="dvc checkout to restore them, or dvc repro decompose",
    )
