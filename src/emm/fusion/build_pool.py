"""From trained models, the pipeline's own and others, to a pool of components."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from emm.config.binding import choose
from emm.core.errors import DecompositionError, ModelFileError, ParamsError
from emm.core.files import sha256
from emm.fusion.cuts import Cuts, decompose
from emm.fusion.factories import load_factory
from emm.fusion.layers import Layer, unfold
from emm.fusion.pool import FACTORY, CutModel, Member, Members, Pool, TreeMember
from emm.fusion.settings import OutsideModel
from emm.nn.inputs import Inputs
from emm.training.store import WEIGHTS, load_model, load_weights
from emm.trees.forest import TreeEnsemble
from emm.trees.native.load import load_native_trees

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


@dataclass(frozen=True)
class Grown:
    """A tree ensemble of one task; fields as in `Trained`."""

    name: str
    task: int
    model: TreeEnsemble
    source_sha256: str


def pipeline_models(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, part: str
) -> list[Trained]:
    """The pipeline's own trained models, of each structure and task (folder/PART/TASK).

    ``part``: seed-S, or seed-S/fold-K. Raises ModelFileError if one can't be trusted.
    """
    found = []
    for structure, folder in folders.items():
        for number, task in enumerate(tasks):
            stored = folder / part / task
            model, about = load_model(stored, schema_sha256)
            source = sha256(stored / WEIGHTS)
            name = f"{structure}/{task}"
            found.append(
                Trained(name, number, model, about.architecture, about.arguments, TOWER, source)
            )
    return found


def pipeline_trees(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, part: str
) -> list[Grown]:
    """The pipeline's own boosted trees, one ensemble a task (folder/PART).

    Raises ModelFileError if a stored model can't be trusted, or isn't one of trees.
    """
    found = []
    for name, folder in folders.items():
        stored = folder / part
        model, about = load_model(stored, schema_sha256)
        ensembles = getattr(model, "ensembles", None)
        if ensembles is None or about.tasks != tuple(tasks):
            raise ModelFileError(
                f"{stored} holds no tree ensemble for each task",
                where="fusion.trees in params.yaml",
                got=f"{about.architecture} of {', '.join(about.tasks)}",
                expected=f"gbdt of {', '.join(tasks)}",
                next_step="name a row of boosted trees",
            )
        source = sha256(stored / WEIGHTS)
        found += [
            Grown(f"{name}/{task}", number, ensembles[number], source)
            for number, task in enumerate(tasks)
        ]
    return found


def outside_models(
    pool: Sequence[OutsideModel],
    tasks: Sequence[str],
    inputs: Inputs,
    columns: Sequence[str],
    *,
    regressions: Collection[str] = (),
) -> tuple[list[Trained], list[Grown]]:
    """The networks and trees that were trained elsewhere; the networks' factories must be trusted.

    ``columns``: names of the D + F processed columns, by which trees find theirs. Raises
    ParamsError for a task that isn't there, an entry of neither kind, or trees of a task that is
    one of ``regressions``; ModelFileError if weights are damaged or aren't those of their model.
    """
    for entry in pool:
        choose("task", entry.task, tasks, POOL, "correct the entry")
        if entry.trees is not None and entry.task in regressions:
            raise ParamsError(
                "trees from outside can join binary tasks only",
                where=POOL,
                got=f"{entry.trees} for the regression task {entry.task!r}",
                next_step="take the entry out, or train trees here: fusion.trees: [gbdt]",
            )
    networks = [_network(entry, tasks, inputs) for entry in pool if entry.trees is None]
    trees = [
        Grown(
            entry.trees,
            tasks.index(entry.task),
            load_native_trees(Path(entry.trees), inputs, columns),
            sha256(Path(entry.trees)),
        )
        for entry in pool
        if entry.trees is not None
    ]
    return networks, trees


def _network(entry: OutsideModel, tasks: Sequence[str], inputs: Inputs) -> Trained:
    if entry.factory is None or entry.weights is None:
        raise ParamsError(
            "an entry of the pool is neither a network nor trees",
            where=POOL,
            got=f"task {entry.task}, factory {entry.factory}, weights {entry.weights}",
            expected="factory and weights of a network, or trees",
            next_step="complete the entry",
        )
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
    trained: Sequence[Trained],
    grown: Sequence[Grown],
    inputs: Inputs,
    tasks: Sequence[str],
    schema_sha256: str,
    seed: int,
    *,
    adapt: bool = False,
) -> Pool:
    """Take all networks apart (Algorithm 1); DecompositionError if there is none, or if they can't
    be cut alike.

    ``grown``: tree ensembles, which need no cuts. ``adapt``: cut at layers of the same type, and
    leave it to adapters that their widths differ.
    """
    if not trained:
        raise DecompositionError(
            "the pool has no network to take apart",
            where=POOL,
            got=f"{len(grown)} tree ensembles",
            expected="at least one network, whose components make the levels",
            next_step="name one in `trained` or in fusion.pool",
        )
    chains = {each.name: _chain(each, inputs) for each in trained}
    # The front turns raw features into one vector and stays with the first component, even if all
    # models embed alike: the paper's x is what comes out of it.
    cuts = decompose({name: trunk[1:] for name, (trunk, _) in chains.items()}, adapt=adapt)
    members = Members(
        tuple(_member(each, *chains[each.name], cuts[each.name]) for each in trained),
        tuple(TreeMember(x.name, x.task, x.model.sizes(), x.source_sha256) for x in grown),
    )
    parts = nn.ModuleDict(
        {
            "networks": nn.ModuleList(
                CutModel(each.model, member)
                for each, member in zip(trained, members.networks, strict=True)
            ),
            "trees": nn.ModuleList(each.model for each in grown),
        }
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
