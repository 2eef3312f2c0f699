"""The pool: the decomposed networks and the trees of one seed, in memory and on disk."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from emm.config.binding import bind
from emm.core.errors import ModelFileError, choose
from emm.core.files import sha256, write_json
from emm.fusion.layers import Component
from emm.fusion.layout import Layout
from emm.models import MODELS, model_class
from emm.nn.inputs import Inputs
from emm.outside.factories import load_factory
from emm.training.store import load_weights

FORMAT = 2
COMPONENTS = "components.safetensors"
DESCRIPTION = "components.json"

# The architecture of a member from outside, which the factory in its arguments builds.
FACTORY = "factory"


@dataclass(frozen=True)
class NetworkMember:
    """A network of the pool, and where it is cut.

    ``task``: the number of its task; ``levels``: the layer names of its components, by level;
    ``tower``: those of the layers after the last component; ``widths``: the output widths of the
    components. ``architecture`` and ``arguments`` rebuild the network.
    """

    name: str
    task: int
    architecture: str
    arguments: Mapping[str, Any]
    levels: tuple[tuple[str, ...], ...]
    tower: tuple[str, ...]
    widths: tuple[int, ...]
    source_sha256: str

    def build(self, inputs: Inputs) -> "DecomposedNetwork":
        """Build its components and tower with fresh weights. Raises ModelFileError."""
        if self.architecture == FACTORY:
            return DecomposedNetwork(load_factory(self.arguments[FACTORY])(inputs), self)
        if self.architecture not in MODELS:
            raise ModelFileError(
                f"{self.name} has an unknown architecture",
                got=self.architecture,
                expected=f"one of {', '.join(MODELS)}",
                next_step="dvc checkout to restore the file, or dvc repro",
            )
        model_type: Any = model_class(self.architecture)
        return DecomposedNetwork(model_type(inputs, 1, **self.arguments), self)


class DecomposedNetwork(nn.Module):
    """A network in parts: ``levels``, one component each, and ``tower``."""

    def __init__(self, model: nn.Module, member: NetworkMember) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_component(model, names) for names in member.levels)
        self.tower = _component(model, member.tower)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """The output of the whole network: dense [B, D], sparse [B, F] -> logits of its task."""
        first, *others = self.levels
        value: Tensor = first(dense, sparse)
        for component in others:
            value = component(value)
        logits: Tensor = self.tower(value)
        return logits


@dataclass(frozen=True)
class TreeMember:
    """A tree ensemble of the pool; ``sizes``: the arguments of `TreeEnsemble`."""

    name: str
    task: int
    sizes: Mapping[str, int]
    source_sha256: str


@dataclass(frozen=True)
class Members:
    """The members of a pool: networks, and tree ensembles, which are divided by boosting rounds."""

    networks: tuple[NetworkMember, ...]
    trees: tuple[TreeMember, ...]

    def layout(self, tasks: int, outputs: Sequence[int] = ()) -> Layout:
        """The members by task; ``outputs``: number of logits of each task, () if all have one."""
        return Layout(
            networks=tuple(_of_task(self.networks, task) for task in range(tasks)),
            trees=tuple(_of_task(self.trees, task) for task in range(tasks)),
            widths=tuple(member.widths for member in self.networks),
            outputs=tuple(outputs),
        )


@dataclass(frozen=True)
class Pool:
    """The members, the tensors of their parts, and what they were trained on."""

    members: Members
    tensors: Mapping[str, Tensor]
    tasks: tuple[str, ...]
    schema_sha256: str
    seed: int

    def tensors_of(self, prefix: str) -> dict[str, Tensor]:
        """The state of one part, such as ``networks.0.tower`` or ``trees.1``."""
        return {
            key.removeprefix(f"{prefix}."): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(f"{prefix}.")
        }

    def select(self, names: Sequence[str]) -> "Pool":
        """A pool of the members with these ``names``; without any, of all members.

        A name is that of a member, or the part before its slash. Raises ParamsError for others.
        """
        if not names:
            return self
        networks, trees = self.members.networks, self.members.trees
        all_names = [*(member.name for member in networks), *(member.name for member in trees)]
        known = list(dict.fromkeys([*(name.split("/")[0] for name in all_names), *all_names]))
        for name in names:
            choose("member of the pool", name, known, "members of a fused model", "correct it")
        chosen = {name for name in all_names if {name, name.split("/")[0]} & {*names}}
        kept = {
            "networks": [n for n, member in enumerate(networks) if member.name in chosen],
            "trees": [n for n, member in enumerate(trees) if member.name in chosen],
        }
        tensors = {
            f"{kind}.{new}.{key}": tensor
            for kind, numbers in kept.items()
            for new, old in enumerate(numbers)
            for key, tensor in self.tensors_of(f"{kind}.{old}").items()
        }
        members = Members(
            tuple(networks[n] for n in kept["networks"]), tuple(trees[n] for n in kept["trees"])
        )
        return replace(self, members=members, tensors=tensors)

    def describe(self) -> dict[str, Any]:
        """The members as plain JSON, from which a fused model can be rebuilt."""
        return asdict(self.members)


def _of_task(members: Sequence[NetworkMember | TreeMember], task: int) -> tuple[int, ...]:
    return tuple(number for number, member in enumerate(members) if member.task == task)


def _component(model: nn.Module, names: Sequence[str]) -> Component:
    return Component([model.get_submodule(name) for name in names])


def save_pool(pool: Pool, folder: Path) -> None:
    """Write components.safetensors and components.json to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    # A layer that a model calls twice is stored twice: safetensors can't share tensors.
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
    """Read a pool from ``folder``.

    Raises ModelFileError before any weight is used if it is damaged, or was trained on data with
    another schema than ``schema_sha256``.
    """
    try:
        about: Any = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        found = sha256(folder / COMPONENTS)
    except (OSError, ValueError) as error:
        raise _refused(folder, f"can't be read: {error}") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise _refused(folder, f"don't have format {FORMAT}")
    if about.get("components_sha256") != found:
        raise _refused(folder, "were altered or truncated")
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
