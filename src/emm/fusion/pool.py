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
from emm.fusion.decomposition import Cuts, decompose
from emm.fusion.layers import Component, chain, describe_chain
from emm.models import model_class
from emm.models.store import WEIGHTS, Description, load_model, load_weights
from emm.nn.inputs import Inputs

FORMAT = 1
COMPONENTS = "components.safetensors"
DESCRIPTION = "components.json"

# Attributes that make up a trained model's trunk. The front turns raw features into one vector and
# stays with the first component, even if all models embed alike: the paper's x is what comes out of
# it. The tower is left out: a fused model has its own.
FRONT = "front"
TRUNK = (FRONT, "blocks")


@dataclass(frozen=True)
class Member:
    """One trained model of the pool and where it was cut.

    ``task``: the number of its task; ``levels``: layer names of each level's component;
    ``widths``: output width of each level. ``architecture`` and ``arguments`` rebuild its layers.
    """

    name: str
    task: int
    architecture: str
    arguments: Mapping[str, Any]
    levels: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    source_sha256: str

    def components(self, inputs: Inputs) -> nn.ModuleList:
        """The member's components, one a level, with fresh weights."""
        model_type: Any = model_class(self.architecture)
        model = model_type(inputs, 1, **self.arguments)
        return cut(model, self.levels)


@dataclass(frozen=True)
class Pool:
    """All members, the tensors of their components, and what they were trained on."""

    members: tuple[Member, ...]
    tensors: Mapping[str, Tensor]
    tasks: tuple[str, ...]
    schema_sha256: str
    seed: int

    def describe(self) -> list[dict[str, Any]]:
        """The members as plain JSON, from which a fused model can be built again."""
        return [asdict(member) for member in self.members]


def decompose_trained(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, seed: int
) -> Pool:
    """Load the models of each structure (folder/seed-S/TASK) and take them all apart.

    Raises ModelFileError if one can't be trusted, DecompositionError if they can't be cut alike.
    """
    stored = {
        f"{structure}/{task}": folder / f"seed-{seed}" / task
        for structure, folder in folders.items()
        for task in tasks
    }
    loaded = {name: load_model(folder, schema_sha256) for name, folder in stored.items()}
    cuts = _cut_trunks(loaded)
    members = tuple(
        Member(
            name=name,
            task=list(tasks).index(about.tasks[0]),
            architecture=about.architecture,
            arguments=about.arguments,
            levels=_layer_names(cuts[name]),
            widths=tuple(level[-1].structure.output[0] for level in cuts[name]),
            source_sha256=sha256(stored[name] / WEIGHTS),
        )
        for name, (_, about) in loaded.items()
    )
    components = nn.ModuleList(cut(loaded[each.name][0], each.levels) for each in members)
    return Pool(members, components.state_dict(), tuple(tasks), schema_sha256, seed)


def _cut_trunks(loaded: Mapping[str, tuple[nn.Module, Description]]) -> dict[str, Cuts]:
    """Cuts of each model's layers behind its front."""
    trunks = {
        name: describe_chain(chain(model, TRUNK), about.inputs)
        for name, (model, about) in loaded.items()
    }
    return decompose({name: layers[1:] for name, layers in trunks.items()})


def _layer_names(cuts: Cuts) -> tuple[tuple[str, ...], ...]:
    first, *others = (tuple(layer.name for layer in level) for level in cuts)
    return ((FRONT, *first), *others)


def cut(model: nn.Module, levels: Sequence[Sequence[str]]) -> nn.ModuleList:
    """The layers of ``model`` as one component a level."""
    return nn.ModuleList(
        Component([model.get_submodule(name) for name in names]) for names in levels
    )


def save_pool(pool: Pool, folder: Path) -> None:
    """Write components.safetensors and components.json into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in pool.tensors.items()}, folder / COMPONENTS)
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
