"""The training of each kind of model, by the list of params.yaml that names the model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from emm.config.project import FROM_DATA, Project
from emm.core.errors import choose
from emm.models import MODELS, model_class
from emm.training.auto import complete_recipe
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.networks import build_network, train_networks
from emm.training.settings import FoldSettings, OptimiserSettings, PoolSettings, TrainingSettings
from emm.training.structures import read_structure

# Writes the models and history.json to a folder.
Train = Callable[[Path, TrainingContext, Checkpoint], None]


@dataclass(frozen=True)
class Job:
    """The training of one model.

    Attributes:
        training: the protocol.
        settings: all settings on which the result depends, for the fingerprint of checkpoints.
        train: trains with every seed, and writes the models and history.json to a folder.
        sources: files that it reads besides the processed data.
        code: files that it runs besides this package.
    """

    training: TrainingSettings
    settings: Mapping[str, Any]
    train: Train
    sources: Sequence[Path] = ()
    code: Sequence[Path] = ()


JOBS = {
    "trained": "emm.training.jobs:single_task_job",
    "trees": "emm.trees.train:trees_job",
    "baselines": "emm.training.jobs:baseline_job",
    "searched": "emm.automtl.train:searched_job",
    "fused": "emm.fusion.train:fused_job",
    "students": "emm.fusion.students:student_job",
}
"""The function that makes the job of a model, by the list of params.yaml that names the model.

Each is imported only when it is used, so that a stage depends only on the code of its own kind.
"""


def job_of(project: Project, dataset: str, model: str) -> Job:
    """The job of one model. Raises ParamsError if no list names it or its settings are wrong."""
    active = project.active
    lists = {kind: (*getattr(active, kind, ()),) for kind in JOBS}
    known = [name for names in lists.values() for name in names]
    choose("model", model, known, project.file, "add it to a list of params.yaml")
    kind = next(kind for kind, names in lists.items() if model in names)
    module, _, function = JOBS[kind].partition(":")
    make: Callable[[Project, str, str], Job] = getattr(import_module(module), function)
    return make(project, dataset, model)


def single_task_job(project: Project, dataset: str, model: str) -> Job:
    """Single-task networks of one structure, and those without a fold if the pool needs them."""
    recipe = complete_recipe(project, dataset)
    training = recipe.read("training", TrainingSettings)
    pool = recipe.read_part("fusion", PoolSettings)
    settings, arguments = read_structure(recipe, model)

    train = partial(
        train_networks,
        name=model,
        architecture=settings.network,
        build=partial(build_network, model_class(settings.network), arguments),
        training=training,
        optimiser=settings,
        per_task=True,
        folds=FoldSettings(pool.fit_on, pool.folds) if pool.takes(model) else None,
        part=settings.part,
    )
    section = recipe.section(f"pretrain.{model}")
    return Job(training, {"training": training, "section": section, "pool": pool}, train)


def baseline_job(project: Project, dataset: str, model: str) -> Job:
    """A multi-task network of `emm.models`."""
    recipe = complete_recipe(project, dataset)
    training = recipe.read("training", TrainingSettings)
    choose("model", model, MODELS, f"baselines in {project.file}", "correct the name")
    key = f"train.{model}"
    architecture: Any = model_class(model)
    optimiser, arguments = recipe.read_model(key, architecture, OptimiserSettings, FROM_DATA)

    train = partial(
        train_networks,
        name=model,
        architecture=model,
        build=partial(build_network, architecture, arguments),
        training=training,
        optimiser=optimiser,
    )
    return Job(training, {"training": training, "section": recipe.section(key)}, train)
