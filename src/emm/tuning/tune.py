"""Search for a model's hyper-parameters: the same number of trials for everyone, on validation."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.space import ARCHITECTURE, plain, read_architecture
from emm.config.binding import bind, raise_all
from emm.config.project import FROM_DATA, Project, split_section
from emm.core.errors import DataError, ModelFileError
from emm.core.progress import say
from emm.fusion.emm import EMM
from emm.fusion.factories import trusting
from emm.fusion.pool import load_pool
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.train import fuse
from emm.models import model_class
from emm.models.single_task import SingleTask
from emm.training.context import TrainingContext, open_context, schedule_of
from emm.training.data_arguments import arguments_of_data
from emm.training.epochs import best_epoch
from emm.training.fit import fit as fit_network
from emm.training.seeds import seed_init
from emm.training.settings import OptimiserSettings, TrainingSettings
from emm.trees.gbdt import fit
from emm.trees.settings import BoostingSettings
from emm.trees.train import in_memory
from emm.tuning.space import SPACES, Space, Trial, best_trial, read_log

Section = Mapping[str, Any]


def tune(project: Project, dataset: str, model: str, space: Space, log: Path) -> Trial:
    """Train every section of the space that ``log`` doesn't hold yet; gives the best trial.

    A log goes on where it ended. The best has the highest mean validation AUC, the first of equals.
    Raises DataError if the log was made with other lists, or another number of seeds.
    """
    done = read_log(log) if log.exists() else []
    sections = space.sections(model)
    if [trial.section for trial in done] != sections[: len(done)]:
        raise DataError(
            f"{log} holds trials of other lists than {SPACES}",
            where=log,
            next_step=f"delete it to search anew, or restore {SPACES}",
        )
    if seeds := {max(1, len(trial.by_seed)) for trial in done} - {space.seeds}:
        raise DataError(
            f"{log} holds trials of another number of seeds than {SPACES}",
            where=log,
            got=seeds.pop(),
            expected=space.seeds,
            next_step=f"delete it to search anew, or restore {SPACES}",
        )
    training = project.recipe(dataset).read("training", TrainingSettings)
    processed, active = project.paths(dataset).processed, project.active
    context = open_context(processed, active.recipe, training, active.memory_gib)
    log.parent.mkdir(parents=True, exist_ok=True)
    for number in range(len(done), len(sections)):
        section = sections[number]
        found = [
            _try(context, project, dataset, model, section, space.seed + k)
            for k in range(space.seeds)
        ]
        aucs = {task: fmean(own[task] for own in found) for task in found[0]}
        by_seed = tuple(fmean(own.values()) for own in found)
        done.append(Trial(number, section, aucs, fmean(aucs.values()), by_seed))
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(done[-1])) + "\n")
        reached = f"mean validation AUC {done[-1].mean_auc:.5f}"
        say(f"{model} trial {number + 1} of {len(sections)}: {reached}")
    return best_trial(done)


def _try(
    context: TrainingContext,
    project: Project,
    dataset: str,
    model: str,
    section: Section,
    seed: int,
) -> dict[str, float]:
    """Best validation AUC of each task after training with ``section``."""
    tasks = context.schema.tasks
    if model == "gbdt":
        errors: list[str] = []
        boosting: BoostingSettings = bind(BoostingSettings, section, model, errors)
        raise_all(errors, str(SPACES))
        rows = (
            in_memory(context.train, "train", seed),
            in_memory(context.validation, "validation", seed),
        )
        _, runs = fit(*rows, context.inputs, boosting, seed=seed)
        best = [max(iteration.score for iteration in run.iterations) for run in runs]
        return dict(zip(tasks, best, strict=True))
    if model in project.active.fused:
        return _try_fused(context, project, dataset, model, section, seed)
    training = project.recipe(dataset).read("training", TrainingSettings)
    single = model in project.active.trained
    architecture = _class_of(model, project)
    found = _found_architecture(context, project, dataset, model)
    optimiser, arguments = split_section(
        section, architecture, model, OptimiserSettings, (*FROM_DATA, *found), str(SPACES)
    )
    arguments |= arguments_of_data(architecture, context.schema, context.train) | found
    schedule = schedule_of(training, optimiser)
    aucs: dict[str, float] = {}
    for own in [(task,) for task in tasks] if single else [tasks]:
        names = (model, *own) if single else (model,)
        seed_init(seed, *names)
        network = architecture(context.inputs, len(own), **arguments).to(context.device)
        train, validation = context.train, context.validation
        if single:
            train, validation = (x.task(tasks.index(own[0])) for x in (train, validation))
        epochs = fit_network(network, train, validation, schedule, seed=seed, names=names)
        aucs |= dict(zip(own, epochs[best_epoch(epochs) - 1].scores, strict=True))
    return aucs


def _class_of(model: str, project: Project) -> Any:
    if model in project.active.trained:
        return SingleTask
    return AutoMTL if model in project.active.searched else model_class(model)


def _found_architecture(
    context: TrainingContext, project: Project, dataset: str, model: str
) -> dict[str, Any]:
    """As an argument of its model, what the search stage found for a row of ``searched``."""
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


def _try_fused(
    context: TrainingContext,
    project: Project,
    dataset: str,
    model: str,
    section: Section,
    seed: int,
) -> dict[str, float]:
    recipe = project.recipe(dataset)
    fusion = recipe.read("fusion", FusionSettings)
    settings, arguments = split_section(section, EMM, model, FusedSettings, ("pool",), str(SPACES))
    folder = project.paths(dataset).components / f"seed-{seed}"
    pool = load_pool(folder, context.schema_sha256).select(settings.members)
    with trusting(fusion.factories):
        _, epochs = fuse(
            context,
            model,
            folder,
            pool,
            training=recipe.read("training", TrainingSettings),
            fusion=fusion,
            settings=settings,
            arguments=arguments,
        )
    return dict(zip(context.schema.tasks, epochs[best_epoch(epochs)].scores, strict=True))
