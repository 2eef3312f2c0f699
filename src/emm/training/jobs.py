"""What the stage `train` does for a model, by the list of params.yaml that names the model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from emm.config.project import FROM_DATA, UNLISTED, Project
from emm.core.errors import choose
from emm.models import MODELS, model_class
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.data_arguments import arguments_of_data
from emm.training.networks import train_networks
from emm.training.settings import FoldSettings, OptimiserSettings, PoolSettings, TrainingSettings

Train = Callable[[TrainingContext, Path, Checkpoint], None]


@dataclass(frozen=True)
class Job:
    """The training of one model.

    Attributes:
        training: the protocol.
        settings: everything that the result depends on, for checkpoints.
        train: writes the models and history.json to a folder.
        sources: what it reads besides the processed data.
        code: files that it runs besides this package.
    """

    training: TrainingSettings
    settings: Mapping[str, Any]
    train: Train
    sources: Sequence[Path] = ()
    code: Sequence[Path] = ()


JOBS = {
    "trained": "emm.training.jobs:single_task_job",
    "baselines": "emm.training.jobs:baseline_job",
    "searched": "emm.automtl.train:searched_job",
    "fused": "emm.fusion.train:fused_job",
    "unlisted": "emm.trees.train:trees_job",
}
"""The function that prepares the job of a model, by the list of params.yaml that names it.

Each is imported when it is needed, so that a stage loads, and depends on, its own kind only.
"""


def job_of(project: Project, dataset: str, model: str) -> Job:
    """The job of one model. Raises ParamsError for a model of no list, or with wrong settings."""
    active = project.active
    lists = {kind: (*getattr(active, kind, ()),) for kind in JOBS} | {"unlisted": UNLISTED}
    known = [name for names in lists.values() for name in names]
    choose("model", model, known, project.file, "add it to a list of params.yaml")
    kind = next(kind for kind, names in lists.items() if model in names)
    module, _, function = JOBS[kind].partition(":")
    prepare: Callable[[Project, str, str], Job] = getattr(import_module(module), function)
    return prepare(project, dataset, model)


def single_task_job(project: Project, dataset: str, model: str) -> Job:
    """Single-task networks of one structure: one per task, and more where the pool needs them."""
    recipe = project.recipe(dataset)
    training = recipe.read("training", TrainingSettings)
    pool = recipe.read_part("fusion", PoolSettings)
    key = f"pretrain.{model}"
    architecture: Any = model_class("single_task")
    optimiser, arguments = recipe.read_model(key, architecture, OptimiserSettings)
    folds = FoldSettings(pool.fit_on, pool.folds) if pool.takes(model) else None

    def train(context: TrainingContext, out: Path, checkpoint: Checkpoint) -> None:
        def build(_seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
            return architecture(context.inputs, **arguments), arguments

        train_networks(
            out,
            context,
            model,
            "single_task",
            build,
            training,
            optimiser,
            per_task=True,
            folds=folds,
            checkpoint=checkpoint,
        )

    return Job(
        training, {"training": training, "section": recipe.section(key), "pool": pool}, train
    )


def baseline_job(project: Project, dataset: str, model: str) -> Job:
    """A multi-task network of `emm.models`."""
    recipe = project.recipe(dataset)
    training = recipe.read("training", TrainingSettings)
    choose("model", model, MODELS, f"baselines in {project.file}", "correct the name")
    key, architecture = f"train.{model}", model_class(model)
    optimiser, arguments = recipe.read_model(key, architecture, OptimiserSettings, FROM_DATA)

    def train(context: TrainingContext, out: Path, checkpoint: Checkpoint) -> None:
        network: Any = architecture
        whole = arguments | arguments_of_data(architecture, context.schema, context.train)

        def build(_seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
            return network(context.inputs, len(context.schema.tasks), **whole), whole

        train_networks(
            out, context, model, model, build, training, optimiser, checkpoint=checkpoint
        )

    return Job(training, {"training": training, "section": recipe.section(key)}, train)
