"""From trained models, the pipeline's own and others, to a pool of components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from emm.core.binding import choose
from emm.core.errors import DecompositionError, ModelFileError
from emm.core.files import sha256
from emm.fusion.decomposition import Cuts, decompose
from emm.fusion.factories import load_factory
from emm.fusion.layers import Layer, unfold
from emm.fusion.pool import FACTORY, CutModel, Member, Pool
from emm.models.store import WEIGHTS, load_model, load_weights
from emm.nn.inputs import Inputs
from emm.params import OutsideModel

# The module of the pipeline's own trained models that turns the last component's output into the
# logit, and is no component itself.
TOWER = "tower"

POOL = "fusion.pool in params.yaml"


@dataclass(frozen=True)
class Trained:
    """A trained model before it is cut; fields as in `Member`. ``tower`` names the module where its
    tower begins, None for the last layer with weights."""

    name: str
    task: int
    model: nn.Module
    architecture: str
    arguments: Mapping[str, Any]
    tower: str | None
    source_sha256: str


def own_models(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, seed: int
) -> list[Trained]:
    """The pipeline's own trained models, of each structure and task (folder/seed-S/TASK).

    Raises ModelFileError if one can't be trusted.
    """
    found = []
    for structure, folder in folders.items():
        for number, task in enumerate(tasks):
            stored = folder / f"seed-{seed}" / task
            model, about = load_model(stored, schema_sha256)
            source = sha256(stored / WEIGHTS)
            name = f"{structure}/{task}"
            found.append(
                Trained(name, number, model, about.architecture, about.arguments, TOWER, source)
            )
    return found


def outside_models(
    pool: Sequence[OutsideModel], tasks: Sequence[str], inputs: Inputs
) -> list[Trained]:
    """The models that were trained elsewhere; their factories must be trusted.

    Raises ParamsError for a task that isn't there, ModelFileError if weights are damaged or
    aren't those of their model.
    """
    return [_outside(model, tasks, inputs) for model in pool]


def _outside(entry: OutsideModel, tasks: Sequence[str], inputs: Inputs) -> Trained:
    choose("task", entry.task, tasks, POOL, "correct the entry")
    model, weights = load_factory(entry.factory)(inputs), Path(entry.weights)
    try:
        model.load_state_dict(load_weights(weights))
    except RuntimeError as error:
        raise ModelFileError(
            f"{weights} doesn't fit what {entry.factory} builds: {error}",
            where=POOL,
            next_step="name the factory and the weights of one and the same model",
        ) from error
    return Trained(
        name=entry.weights,
        task=tasks.index(entry.task),
        model=model.eval(),
        architecture=FACTORY,
        arguments={FACTORY: entry.factory},
        tower=entry.tower,
        source_sha256=sha256(weights),
    )


def build_pool(
    trained: Sequence[Trained], inputs: Inputs, tasks: Sequence[str], schema_sha256: str, seed: int
) -> Pool:
    """Take all models apart (Algorithm 1); DecompositionError if they can't be cut alike."""
    chains = {each.name: _chain(each, inputs) for each in trained}
    # The front turns raw features into one vector and stays with the first component, even if all
    # models embed alike: the paper's x is what comes out of it.
    cuts = decompose({name: trunk[1:] for name, (trunk, _) in chains.items()})
    members = tuple(_member(each, *chains[each.name], cuts[each.name]) for each in trained)
    parts = nn.ModuleList(
        CutModel(each.model, member) for each, member in zip(trained, members, strict=True)
    )
    return Pool(members, parts.state_dict(), tuple(tasks), schema_sha256, seed)


def _chain(trained: Trained, inputs: Inputs) -> tuple[list[Layer], list[Layer]]:
    """The layers of a model before its tower, and those of its tower."""
    layers = unfold(trained.model, inputs)
    if trained.tower is None:
        starts = [number for number, layer in enumerate(layers) if layer.weighted][-1:]
    else:
        named = (trained.tower, f"{trained.tower}.")
        starts = [
            number
            for number, layer in enumerate(layers)
            if layer.name == named[0] or layer.name.startswith(named[1])
        ]
    if not starts or starts[0] < 2:
        raise DecompositionError(
            f"{trained.name} is no chain of layers with a tower",
            where=trained.name,
            got=" -> ".join(layer.name or "the model as a whole" for layer in layers),
            expected=f"modules called one after the other, then {trained.tower or 'a last layer'}",
            next_step="make functional calls between its layers modules of their own",
        )
    return layers[: starts[0]], layers[starts[0] :]


def _member(trained: Trained, trunk: Sequence[Layer], tower: Sequence[Layer], cuts: Cuts) -> Member:
    first, *others = (tuple(layer.name for layer in level) for level in cuts)
    return Member(
        name=trained.name,
        task=trained.task,
        architecture=trained.architecture,
        arguments=trained.arguments,
        levels=((trunk[0].name, *first), *others),
        tower=tuple(layer.name for layer in tower),
        widths=tuple(level[-1].structure.output[0] for level in cuts),
        source_sha256=trained.source_sha256,
    )
