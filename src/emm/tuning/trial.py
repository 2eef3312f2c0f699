"""One trial: the training of a model with the settings that are tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.space import ARCHITECTURE, plain, read_architecture
from emm.config.project import FROM_DATA, Project, split_section
from emm.core.errors import ModelFileError
from emm.fusion.emm import EMM
from emm.fusion.fuse import NOT_SET, fuse
from emm.fusion.pool import load_pool
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.students import PER_TASK, read_student, teach, with_epochs
from emm.models import model_class
from emm.outside.factories import trusting
from emm.training.auto import complete_recipe
from emm.training.context import TrainingContext, schedule_of
from emm.training.epochs import best_epoch
from emm.training.fit import Schedule, fit
from emm.training.networks import Build, build_network, fresh_network
from emm.training.parts import without_columns
from emm.training.settings import OptimiserSettings, TrainingSettings, positive_weights
from emm.training.structures import split_structure
from emm.trees.gbdt import fit as boost
from emm.trees.settings import read_boosting
from emm.trees.train import in_memory
from emm.tuning.space import SPACES

Section = Mapping[str, Any]
Scores = dict[str, float]


@dataclass(frozen=True)
class _Trial:
    """What a trial trains: ``section`` is that of the model, with the settings that are tried."""

    context: TrainingContext
    project: Project
    dataset: str
    model: str
    section: Section
    seed: int


def train_trial(
    context: TrainingContext,
    project: Project,
    dataset: str,
    model: str,
    section: Section,
    seed: int,
) -> Scores:
    """Train ``model`` with ``section``; returns each task's validation score in the best epoch:
    AUC, the mean of one-vs-rest for several classes, or R squared for a regression."""
    trial = _Trial(context, project, dataset, model, section, seed)
    if model in project.active.trees:
        return _boost(trial)
    if model in project.active.fused:
        return _fuse(trial)
    if model in project.active.trained:
        return _fit_structure(trial)
    return _teach(trial) if model in project.active.students else _fit(trial)


def _boost(trial: _Trial) -> Scores:
    boosting = read_boosting(trial.section, trial.model, str(SPACES))
    own = trial.context.of_part(boosting.part)
    train, validation = (
        without_columns(in_memory(rows, trial.model, split, trial.seed), own.hidden)
        for rows, split in ((own.train, "train"), (own.validation, "validation"))
    )
    training = trial.project.recipe(trial.dataset).read("training", TrainingSettings)
    schema, inputs = trial.context.schema, trial.context.inputs
    weights = positive_weights(training.positive_weight, schema.tasks, schema.task_kinds)
    _, histories = boost(
        train,
        validation,
        inputs,
        boosting,
        seed=trial.seed,
        threads=training.threads,
        positive_weights=weights,
    )
    best = [max(iteration.score for iteration in each.iterations) for each in histories]
    return dict(zip(trial.context.schema.tasks, best, strict=True))


def _fit(trial: _Trial) -> Scores:
    """A network of all tasks."""
    architecture = _class_of(trial.model, trial.project)
    searched = _searched_architecture(trial.context, trial.project, trial.dataset, trial.model)
    optimiser, arguments = split_section(
        trial.section,
        architecture,
        trial.model,
        OptimiserSettings,
        (*FROM_DATA, *searched),
        str(SPACES),
    )
    training = complete_recipe(trial.project, trial.dataset).read("training", TrainingSettings)
    schedule = schedule_of(training, optimiser, trial.context.schema)
    build = partial(build_network, architecture, arguments | searched)
    return _fit_all(trial.context, build, schedule, trial.seed, trial.model, per_task=False)


def _fit_structure(trial: _Trial) -> Scores:
    """The single-task networks of a structure."""
    settings, arguments = split_structure(trial.section, trial.model, str(SPACES))
    training = complete_recipe(trial.project, trial.dataset).read("training", TrainingSettings)
    schedule = schedule_of(training, settings, trial.context.schema)
    build = partial(build_network, model_class(settings.network), arguments)
    own = trial.context.of_part(settings.part)
    return _fit_all(own, build, schedule, trial.seed, trial.model, per_task=True)


def _teach(trial: _Trial) -> Scores:
    """A student of the teacher of this seed."""
    recipe = complete_recipe(trial.project, trial.dataset)
    fusion = recipe.read("fusion", FusionSettings)
    student = read_student(
        trial.project, trial.dataset, trial.model, trial.section, fusion, str(SPACES)
    )
    settings = student.settings
    training = with_epochs(recipe.read("training", TrainingSettings), settings)
    schedule = schedule_of(training, settings, trial.context.schema)
    build = partial(build_network, model_class(settings.network), student.arguments)
    taught, _ = teach(trial.context, student, fusion, trial.seed)
    per_task = settings.network == PER_TASK
    return _fit_all(taught, build, schedule, trial.seed, trial.model, per_task=per_task)


def _fit_all(
    context: TrainingContext,
    build: Build,
    schedule: Schedule,
    seed: int,
    model: str,
    *,
    per_task: bool,
) -> Scores:
    """A network of all tasks, or one for each task."""
    if not per_task:
        return _fit_one(context, build, schedule, seed, (model,))
    scores: Scores = {}
    for number, task in enumerate(context.schema.tasks):
        own = context.task(number)
        scores |= _fit_one(own, build, schedule.task(number), seed, (model, task))
    return scores


def _fit_one(
    context: TrainingContext, build: Build, schedule: Schedule, seed: int, names: tuple[str, ...]
) -> Scores:
    network, _ = fresh_network(build, context, seed, *names)
    epochs = fit(network, context.train, context.validation, schedule, seed=seed, names=names)
    best = epochs[best_epoch(epochs) - 1].scores
    return dict(zip(context.schema.tasks, best, strict=True))


def _class_of(model: str, project: Project) -> Any:
    return AutoMTL if model in project.active.searched else model_class(model)


def _searched_architecture(
    context: TrainingContext, project: Project, dataset: str, model: str
) -> dict[str, Any]:
    """The argument of a searched model: the architecture that the stage `search` found."""
    if model not in project.active.searched:
        return {}
    path = project.paths(dataset).architecture(model) / ARCHITECTURE
    if not path.exists():
        raise ModelFileError(
            f"{model} has no architecture yet",
            where=path,
            next_step=f"search for it first: dvc repro search@{dataset}-{model}",
        )
    found = read_architecture(path, field_names(context.schema), context.schema.tasks)
    return {"architecture": plain(found)}


def _fuse(trial: _Trial) -> Scores:
    recipe = complete_recipe(trial.project, trial.dataset)
    fusion = recipe.read("fusion", FusionSettings)
    settings, arguments = split_section(
        trial.section, EMM, trial.model, FusedSettings, NOT_SET, str(SPACES)
    )
    folder = trial.project.paths(trial.dataset).components / f"seed-{trial.seed}"
    pool = load_pool(folder, trial.context.schema_sha256).select(settings.members)
    with trusting(fusion.factories):
        epochs = fuse(
            trial.context,
            trial.model,
            folder,
            pool,
            training=recipe.read("training", TrainingSettings),
            fusion=fusion,
            settings=settings,
            arguments=arguments,
        ).epochs
    # Epoch 0 is the start of the fusion.
    return dict(zip(trial.context.schema.tasks, epochs[best_epoch(epochs)].scores, strict=True))
