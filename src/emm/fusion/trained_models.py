"""The trained models of which a pool is built, and those of the pipeline's own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from emm.core.errors import ModelFileError, ParamsError
from emm.core.files import sha256
from emm.fusion.settings import FusionSettings
from emm.nn.structure import Layer
from emm.outside.onnx import OnnxLayers
from emm.training.store import WEIGHTS, load_description, load_model
from emm.training.structures import SINGLE_TASK
from emm.trees.forest import TreeEnsemble

# The module of the pipeline's own single-task networks in which the tower begins.
TOWER = "tower"

CUT = SINGLE_TASK
"""The architecture of the pipeline's own networks that are cut into components; others join a pool
as a whole."""

POOL = "fusion.pool in conf/<dataset>/<recipe>.yaml"


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network before decomposition; for the fields see `NetworkMember`.

    ``tower``: the module in which its tower begins, None for its last linear layer; ``layers``:
    its layers in order if they are known; by default they are traced.
    """

    name: str
    task: int
    model: nn.Module
    architecture: str
    arguments: Mapping[str, Any]
    tower: str | None
    source_sha256: str
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class TrainedTrees:
    """A tree ensemble of one task; for the fields see `TrainedNetwork`."""

    name: str
    task: int
    model: TreeEnsemble
    source_sha256: str


@dataclass(frozen=True)
class TrainedWhole:
    """A trained network that isn't cut; for the fields see `TrainedNetwork`."""

    name: str
    task: int
    model: nn.Module
    architecture: str
    arguments: Mapping[str, Any]
    source_sha256: str


@dataclass(frozen=True)
class OpaqueModel:
    """A model of which only its scores are known; for the fields see `TrainedNetwork`.

    ``layers``: what computes its logits if the stored scores are those of its first layers.
    """

    name: str
    task: int
    source_sha256: str
    layers: OnnxLayers | None = None


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
    """Load the pipeline's own networks that are cut, for each task, from FOLDER/RUN/TASK.

    ``folders``: by structure, those of whole networks among them; ``run``: seed-S, or
    seed-S/fold-K. Raises ModelFileError.
    """
    stored = _stored(folders, tasks, schema_sha256, run, cut=True)
    return [TrainedNetwork(*own, TOWER, source) for own, source in stored]


def pipeline_whole(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, run: str
) -> list[TrainedWhole]:
    """Load the pipeline's own networks that aren't cut; see `pipeline_networks`."""
    stored = _stored(folders, tasks, schema_sha256, run, cut=False)
    return [TrainedWhole(*own, source) for own, source in stored]


_Own = tuple[str, int, nn.Module, str, Mapping[str, Any]]


def _stored(
    folders: Mapping[str, Path], tasks: Sequence[str], schema_sha256: str, run: str, *, cut: bool
) -> Iterator[tuple[_Own, str]]:
    """Name, task, model, architecture, arguments and hash of each network of one kind."""
    for structure, folder in folders.items():
        for number, task in enumerate(tasks):
            stored = folder / run / task
            if (load_description(stored).architecture == CUT) is cut:
                model, about = load_model(stored, schema_sha256)
                own = (f"{structure}/{task}", number, model, about.architecture, about.arguments)
                yield own, sha256(stored / WEIGHTS)


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
                expected=f"boosted trees of {', '.join(tasks)}",
                next_step="name a model of boosted trees",
            )
        source = sha256(stored / WEIGHTS)
        trees += [
            TrainedTrees(f"{name}/{task}", number, ensembles[number], source)
            for number, task in enumerate(tasks)
        ]
    return trees
