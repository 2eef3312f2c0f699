"""The trained models of which a pool is built: the pipeline's own, and outside models."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from emm.core.errors import ModelFileError, ParamsError, choose
from emm.core.files import sha256
from emm.fusion.members import FACTORY
from emm.fusion.settings import FusionSettings
from emm.nn.inputs import Inputs
from emm.outside.factories import load_factory
from emm.outside.settings import OutsideModel
from emm.training.store import WEIGHTS, load_model, load_weights
from emm.trees.forest import TreeEnsemble
from emm.trees.native.load import load_native_trees

# The module of the pipeline's own single-task networks in which the tower begins.
TOWER = "tower"

POOL = "fusion.pool in conf/<dataset>/<recipe>.yaml"


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network before decomposition; for the fields see `NetworkMember`.

    ``tower``: the module in which its tower begins, None for its last linear layer.
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


def own_networks(fusion: FusionSettings, trained: Sequence[str]) -> tuple[str, ...]:
    """Names of the pipeline's own networks of the pool, by default all that are ``trained``.

    Raises ParamsError if one isn't trained.
    """
    for name in fusion.networks:
        if name not in trained:
            raise ParamsError(
                f"the pool takes the network {name!r}, which isn't trained",
                where="fusion.networks in conf/<dataset>/<recipe>.yaml",
                got=f"networks: [{', '.join(fusion.networks)}]",
                expected=f"names of `trained` in params.yaml: {', '.join(trained) or 'none'}",
                next_step=f"add {name} to `trained`, or take it out of fusion.networks: [] is all",
            )
    return fusion.networks or tuple(trained)


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
    pool: Mapping[str, OutsideModel],
    tasks: Sequence[str],
    inputs: Inputs,
    columns: Sequence[str],
    *,
    regressions: Collection[str] = (),
    outputs: Sequence[int] = (),
) -> tuple[list[TrainedNetwork], list[TrainedTrees]]:
    """Load the networks and trees that were trained elsewhere; factories must be trusted.

    ``columns``: names of the D + F processed columns, by which trees find theirs; ``outputs``:
    number of logits of each task, () if all have one. Raises ParamsError for an unknown task, for
    an entry that is neither a network nor trees, and for trees of one of the ``regressions``;
    ModelFileError if weights are damaged or don't fit their model, or trees don't fit their task.
    """
    for entry in pool.values():
        choose("task", entry.task, tasks, POOL, "correct the entry")
        if entry.model is not None and entry.task in regressions:
            raise ParamsError(
                "outside trees can't join a regression task",
                where=POOL,
                got=f"{entry.model} for the regression task {entry.task!r}",
                next_step="remove the entry, or train trees here: fusion.trees: [gbdt]",
            )
    networks = [
        _network(name, entry, tasks, inputs) for name, entry in pool.items() if entry.model is None
    ]
    trees = []
    for name, entry in pool.items():
        if entry.model is not None:
            path, task = Path(entry.model), tasks.index(entry.task)
            model = load_native_trees(path, inputs, columns, outputs[task] if outputs else 1)
            trees.append(TrainedTrees(name, task, model, sha256(path)))
    return networks, trees


def _network(
    name: str, entry: OutsideModel, tasks: Sequence[str], inputs: Inputs
) -> TrainedNetwork:
    if entry.factory is None or entry.weights is None:
        raise ParamsError(
            "an entry of the pool is neither a network nor trees",
            where=POOL,
            got=f"task {entry.task}, factory {entry.factory}, weights {entry.weights}",
            expected="factory and weights of a network, or model",
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
        name=name,
        task=tasks.index(entry.task),
        model=model.eval(),
        architecture=FACTORY,
        arguments={FACTORY: entry.factory},
        tower=entry.tower,
        source_sha256=sha256(weights),
    )
