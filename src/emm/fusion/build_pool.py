"""A pool of components, built from the pipeline's own trained models and from others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from emm.core.errors import DecompositionError, ModelFileError, ParamsError, choose
from emm.core.files import sha256
from emm.fusion.cuts import Cuts, cut_at_common_layers
from emm.fusion.factories import load_factory
from emm.fusion.layers import Layer, trace_layers
from emm.fusion.pool import (
    FACTORY,
    DecomposedNetwork,
    Members,
    NetworkMember,
    Pool,
    TreeMember,
)
from emm.fusion.settings import OutsideModel
from emm.nn.inputs import Inputs
from emm.training.store import WEIGHTS, load_model, load_weights
from emm.trees.forest import TreeEnsemble
from emm.trees.native.load import load_native_trees

# The module of the pipeline's own single-task networks in which the tower begins.
TOWER = "tower"

POOL = "fusion.pool in conf/<dataset>/<recipe>.yaml"


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network before decomposition; for the fields see `NetworkMember`.

    ``tower``: the module in which its tower begins, None for its last layer with weights.
    """

    name: str
    task: int
    model: nn.Module
    architecture: str
    arguments: Mapping[str, Any]
    tower: str | None
    source_sha256: str


@dataclass(frozen=True)
class TrainedTrees:
    """A tree ensemble of one task; for the fields see `TrainedNetwork`."""

    name: str
    task: int
    model: TreeEnsemble
    source_sha256: str


def pipeline_networks(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, run: str
) -> list[TrainedNetwork]:
    """Load the pipeline's own networks, one for each structure and task, from FOLDER/RUN/TASK.

    ``folders``: by structure; ``run``: seed-S, or seed-S/fold-K. Raises ModelFileError.
    """
    networks = []
    for structure, folder in folders.items():
        for number, task in enumerate(tasks):
            stored = folder / run / task
            model, about = load_model(stored, schema_sha256)
            networks.append(
                TrainedNetwork(
                    name=f"{structure}/{task}",
                    task=number,
                    model=model,
                    architecture=about.architecture,
                    arguments=about.arguments,
                    tower=TOWER,
                    source_sha256=sha256(stored / WEIGHTS),
                )
            )
    return networks


def pipeline_trees(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, run: str
) -> list[TrainedTrees]:
    """Load the pipeline's own boosted trees, one ensemble per task, from FOLDER/RUN.

    Raises ModelFileError, also if a stored model doesn't consist of trees.
    """
    trees = []
    for name, folder in folders.items():
        stored = folder / run
        model, about = load_model(stored, schema_sha256)
        ensembles = getattr(model, "ensembles", None)
        if ensembles is None or about.tasks != tuple(tasks):
            raise ModelFileError(
                f"{stored} holds no tree ensemble for each task",
                where="fusion.trees in conf/<dataset>/<recipe>.yaml",
                got=f"{about.architecture} of {', '.join(about.tasks)}",
                expected=f"gbdt of {', '.join(tasks)}",
                next_step="name a model of boosted trees",
            )
        source = sha256(stored / WEIGHTS)
        trees += [
            TrainedTrees(f"{name}/{task}", number, ensembles[number], source)
            for number, task in enumerate(tasks)
        ]
    return trees


def outside_models(
    pool: Sequence[OutsideModel],
    tasks: Sequence[str],
    inputs: Inputs,
    columns: Sequence[str],
    *,
    regressions: Collection[str] = (),
) -> tuple[list[TrainedNetwork], list[TrainedTrees]]:
    """Load the networks and trees that were trained elsewhere; factories must be trusted.

    ``columns``: names of the D + F processed columns, by which trees find theirs. Raises
    ParamsError for an unknown task, for an entry that is neither a network nor trees, and for trees
    of one of the ``regressions``; ModelFileError if weights are damaged or don't fit their model.
    """
    for entry in pool:
        choose("task", entry.task, tasks, POOL, "correct the entry")
        if entry.trees is not None and entry.task in regressions:
            raise ParamsError(
                "outside trees can only join binary tasks",
                where=POOL,
                got=f"{entry.trees} for the regression task {entry.task!r}",
                next_step="remove the entry, or train trees here: fusion.trees: [gbdt]",
            )
    networks = [_network(entry, tasks, inputs) for entry in pool if entry.trees is None]
    trees = [
        TrainedTrees(
            entry.trees,
            tasks.index(entry.task),
            load_native_trees(Path(entry.trees), inputs, columns),
            sha256(Path(entry.trees)),
        )
        for entry in pool
        if entry.trees is not None
    ]
    return networks, trees


def _network(entry: OutsideModel, tasks: Sequence[str], inputs: Inputs) -> TrainedNetwork:
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
            f"{weights} doesn't fit the model that {entry.factory} builds: {error}",
            where=POOL,
            next_step="name the factory and the weights of the same model",
        ) from error
    return TrainedNetwork(
        name=entry.weights,
        task=tasks.index(entry.task),
        model=model.eval(),
        architecture=FACTORY,
        arguments={FACTORY: entry.factory},
        tower=entry.tower,
        source_sha256=sha256(weights),
    )


def build_pool(
    networks: Sequence[TrainedNetwork],
    trees: Sequence[TrainedTrees],
    inputs: Inputs,
    tasks: Sequence[str],
    schema_sha256: str,
    seed: int,
    *,
    adapt: bool = False,
) -> Pool:
    """Decompose all networks (Algorithm 1), and collect the components and the tree ensembles.

    ``adapt``: cut at layers of the same type even if their widths differ; the fused model then
    learns adapters. Raises DecompositionError if there is no network, or if the networks can't be
    cut in the same way.
    """
    if not networks:
        raise DecompositionError(
            "the pool has no network to decompose",
            where=POOL,
            got=f"{len(trees)} tree ensembles",
            expected="at least one network, whose components define the levels",
            next_step="name one in `trained` or in fusion.pool",
        )
    chains = {each.name: _split_at_tower(each, inputs) for each in networks}
    # The front, which embeds the raw features, stays with the first component even if all models
    # have the same front: the paper's x is its output.
    trunks = {name: trunk[1:] for name, (trunk, _) in chains.items()}
    cuts = cut_at_common_layers(trunks, adapt=adapt)
    members = Members(
        tuple(_member(each, *chains[each.name], cuts[each.name]) for each in networks),
        tuple(TreeMember(x.name, x.task, x.model.sizes(), x.source_sha256) for x in trees),
    )
    parts = nn.ModuleDict(
        {
            "networks": nn.ModuleList(
                DecomposedNetwork(each.model, member)
                for each, member in zip(networks, members.networks, strict=True)
            ),
            "trees": nn.ModuleList(each.model for each in trees),
        }
    )
    return Pool(members, parts.state_dict(), tuple(tasks), schema_sha256, seed)


def _split_at_tower(network: TrainedNetwork, inputs: Inputs) -> tuple[list[Layer], list[Layer]]:
    """The layers of a network before its tower, and those of its tower."""
    layers = trace_layers(network.model, inputs)
    if network.tower is None:
        starts = [number for number, layer in enumerate(layers) if layer.weighted][-1:]
    else:
        name, prefix = network.tower, f"{network.tower}."
        starts = [
            number
            for number, layer in enumerate(layers)
            if layer.name == name or layer.name.startswith(prefix)
        ]
    if not starts or starts[0] < 2:
        raise DecompositionError(
            f"{network.name} is not a chain of layers with a tower",
            where=network.name,
            got=" -> ".join(layer.name or "the model as a whole" for layer in layers),
            expected=f"modules called one after the other, then {network.tower or 'a last layer'}",
            next_step="replace functional calls between its layers by modules",
        )
    return layers[: starts[0]], layers[starts[0] :]


def _member(
    network: TrainedNetwork, trunk: Sequence[Layer], tower: Sequence[Layer], cuts: Cuts
) -> NetworkMember:
    first, *others = (tuple(layer.name for layer in level) for level in cuts)
    return NetworkMember(
        name=network.name,
        task=network.task,
        architecture=network.architecture,
        arguments=network.arguments,
        levels=((trunk[0].name, *first), *others),
        tower=tuple(layer.name for layer in tower),
        widths=tuple(level[-1].structure.output[0] for level in cuts),
        source_sha256=network.source_sha256,
    )
