"""Small trained models on disk, and pools of them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from emm.fusion.build_pool import build_pool
from emm.fusion.pool import Pool
from emm.fusion.trained_models import TrainedTrees, TrainedWhole, pipeline_networks
from emm.models.single_task import SingleTask
from emm.nn.inputs import Inputs
from emm.structures.tabm import TabM
from emm.training.store import Description, save_model
from emm.trees.forest import TreeEnsemble
from emm.trees.gbdt import GradientBoosting
from tests.fusion.fusing import components, tiny_pool
from tests.fusion.outside import Deep, Shallow
from tests.trees.forest import random_ensemble

__all__ = ["components", "tiny_pool"]

INPUTS = Inputs(dense=3, cardinalities=(4, 2, 5))
SCHEMA = "0" * 64
OUTPUTS = (1, 3, 2)
"""Number of logits of each task of pools with classes."""
ABOUT = Description(
    architecture="single_task",
    arguments={},
    inputs=INPUTS,
    tasks=(),
    name="",
    dataset="tiny",
    schema_sha256=SCHEMA,
    recipe="paper",
    seed=0,
)
COMMON = {"embedding_dim": 2, "tower": [4], "dropout": 0.1}
STRUCTURES = {
    "narrow": {**COMMON, "blocks": [[8, 8]] * 3},
    "wide": {**COMMON, "blocks": [[16, 8]] * 3},
    # These have no width in common with those above; `odd` has no dropout.
    "slim": {**COMMON, "blocks": [[6], [5], [7]]},
    "odd": {**COMMON, "blocks": [[5], [5]], "dropout": 0.0},
}


def unsettle(model: nn.Module) -> None:
    """Set batch-norm statistics that differ from those of fresh modules."""
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.3, 0.3)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)


def save_trained(
    folder: Path,
    tasks: int,
    structures: Sequence[str],
    part: str = "seed-0",
    seed: int = 0,
    outputs: Sequence[int] = (),
) -> dict[str, Path]:
    """Save models of every structure and task in folder/STRUCTURE/RUN/TASK."""
    for structure in structures:
        for task in range(tasks):
            several = {"outputs": [outputs[task]]} if outputs and outputs[task] > 1 else {}
            arguments = STRUCTURES[structure] | several
            torch.manual_seed(1000 * seed + len(structure) * 10 + task)
            model = SingleTask(INPUTS, **arguments)
            unsettle(model)
            about = replace(ABOUT, arguments=arguments, tasks=(f"t{task}",), name=structure)
            save_model(folder / structure / part / f"t{task}", model, about)
    return {structure: folder / structure for structure in structures}


def save_boosted(
    folder: Path, tasks: int, name: str = "gbdt", part: str = "seed-0", seed: int = 0
) -> dict[str, Path]:
    """Save boosted trees of every task in folder/NAME/RUN."""
    ensembles = [random_ensemble(5 + task, 9, seed + task, INPUTS) for task in range(tasks)]
    arguments = {"ensembles": [ensemble.sizes() for ensemble in ensembles]}
    model = GradientBoosting(INPUTS, tasks, **arguments)
    for empty, full in zip(model.ensembles, ensembles, strict=True):
        empty.load_state_dict(full.state_dict())
    names = tuple(f"t{task}" for task in range(tasks))
    about = replace(ABOUT, architecture="gbdt", arguments=arguments, tasks=names, name=name)
    save_model(folder / name / part, model, about)
    return {name: folder / name}


def make_pool(
    folder: Path,
    tasks: int,
    structures: Sequence[str] = ("narrow", "wide"),
    *,
    grown: Sequence[int] = (),
    whole: Sequence[int] = (),
    without: Collection[str] = (),
    adapt: bool = False,
    outputs: Sequence[int] = (),
) -> Pool:
    """A pool of the networks of all ``structures`` and tasks except those named in ``without``, of
    one tree ensemble for each task in ``grown``, and one network that isn't cut for each in
    ``whole``."""
    names = [f"t{number}" for number in range(tasks)]
    folders = save_trained(folder, tasks, structures, outputs=outputs)
    networks = pipeline_networks(folders, names, SCHEMA, "seed-0")
    trees = [
        TrainedTrees(f"trees-{n}/t{task}", task, random_trees(4 + n, n, task, outputs), "1" * 64)
        for n, task in enumerate(grown)
    ]
    uncut = [whole_network(f"whole-{n}", task, outputs) for n, task in enumerate(whole)]
    kept = [each for each in networks if each.name not in without]
    return build_pool(
        kept, trees, INPUTS, names, SCHEMA, 0, whole=uncut, outputs=outputs, adapt=adapt
    )


def whole_network(name: str, task: int, outputs: Sequence[int] = ()) -> TrainedWhole:
    """A network of a task that isn't cut."""
    several = {"outputs": [outputs[task]]} if outputs and outputs[task] > 1 else {}
    arguments = {"heads": 2, "layers": [6], "embedding_dim": 2, **several}
    torch.manual_seed(17 * task + len(name))
    model = TabM(INPUTS, 1, **arguments)
    return TrainedWhole(f"{name}/t{task}", task, model, "tabm", arguments, "2" * 64)


def random_trees(rounds: int, seed: int, task: int, outputs: Sequence[int] = ()) -> TreeEnsemble:
    """Trees of one task; ``outputs``: those of each task, () if all have one."""
    own = outputs[task] if outputs else 1
    return random_ensemble(rounds * own, 9, seed, INPUTS, own)


# Numbers of tasks and kinds of pools: only networks, trees for each task, unequal numbers of
# members with trees, a task with only trees, networks without a common width, tasks of three and
# two classes next to one with a single logit, with and without trees, and networks that aren't cut.
KINDS = (
    (2, "networks"),
    (4, "networks"),
    (3, "trees"),
    (3, "unequal"),
    (2, "only trees"),
    (4, "only trees"),
    (3, "adapted"),
    (3, "classes"),
    (3, "classes of networks"),
    (3, "whole"),
    (3, "classes and whole"),
)


@cache
def pool_of_kind(tasks: int, kind: str) -> Pool:
    """A pool of one of KINDS, or a mixed one; tests don't change it."""
    known = {"networks": [], "classes of networks": [], "trees": [*range(tasks)], "adapted": [1]}
    grown = known.get(kind, [1, 0, 1])
    without = {"unequal": ["wide/t0"], "only trees": ["narrow/t1", "wide/t1"]}.get(kind, ())
    structures = ("narrow", "slim" if kind == "adapted" else "wide")
    with TemporaryDirectory() as folder:
        return make_pool(
            Path(folder),
            tasks,
            structures,
            grown=grown,
            whole=[1, 0, 1] if "whole" in kind else (),
            without=without,
            adapt=kind == "adapted",
            outputs=OUTPUTS if "classes" in kind else (),
        )


@pytest.fixture(params=[2, 3, 4], ids="T={}".format)
def tasks(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def pool(tasks: int) -> Pool:
    """Two networks of each task."""
    return pool_of_kind(tasks, "networks")


@pytest.fixture(params=KINDS, ids="{0[1]}-T={0[0]}".format)
def any_pool(request: pytest.FixtureRequest) -> Pool:
    """A pool of each of KINDS."""
    return pool_of_kind(*request.param)


@pytest.fixture
def mixed() -> Pool:
    """Two tasks: two networks and one tree ensemble for the first, two and two for the second."""
    return pool_of_kind(2, "mixed")


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, Path]:
    """Weights of two networks from outside, by the name of their factory."""
    torch.manual_seed(3)
    found = {}
    for model in (Deep(INPUTS), Shallow(INPUTS)):
        unsettle(model)
        name = type(model).__name__
        found[f"tests.fusion.outside:{name}"] = tmp_path / f"{name}.safetensors"
        save_file(model.state_dict(), tmp_path / f"{name}.safetensors")
    return found
