"""The pool: the decomposed networks and the other members of one seed, in memory and on disk."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from emm.config.binding import bind
from emm.core.errors import ModelFileError, choose
from emm.core.files import sha256, write_json
from emm.fusion.members import Members
from emm.training.store import load_weights

FORMAT = 2
COMPONENTS = "components.safetensors"
DESCRIPTION = "components.json"


@dataclass(frozen=True)
class Pool:
    """The members, the tensors of their parts, and what they were trained on."""

    members: Members
    tensors: Mapping[str, Tensor]
    tasks: tuple[str, ...]
    schema_sha256: str
    seed: int

    def tensors_of(self, prefix: str) -> dict[str, Tensor]:
        """The state of one part, such as ``networks.0.tower``, ``trees.1`` or ``whole.0``."""
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
        every = self.members
        all_names = [member.name for member in every.all]
        known = list(dict.fromkeys([*(name.split("/")[0] for name in all_names), *all_names]))
        for name in names:
            choose("member of the pool", name, known, "members of a fused model", "correct it")
        chosen = {name for name in all_names if {name, name.split("/")[0]} & {*names}}
        kept = {
            kind: [n for n, member in enumerate(getattr(every, kind)) if member.name in chosen]
            for kind in ("networks", "trees", "whole")
        }
        tensors = {
            f"{kind}.{new}.{key}": tensor
            for kind, numbers in kept.items()
            for new, old in enumerate(numbers)
            for key, tensor in self.tensors_of(f"{kind}.{old}").items()
        }
        members = Members(
            tuple(every.networks[n] for n in kept["networks"]),
            tuple(every.trees[n] for n in kept["trees"]),
            tuple(member for member in every.opaque if member.name in chosen),
            tuple(every.whole[n] for n in kept["whole"]),
        )
        return replace(self, members=members, tensors=tensors)

    def describe(self) -> dict[str, Any]:
        """The members as plain JSON, from which a fused model can be rebuilt."""
        found = asdict(self.members)
        # Pools without any keep their bytes.
        return {kind: own for kind, own in found.items() if own or kind in ("networks", "trees")}


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
