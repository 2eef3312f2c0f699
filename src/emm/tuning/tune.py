"""Tuning of a model's hyper-parameters on validation, with the same number of trials for all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from emm.config.project import Project
from emm.core.errors import DataError
from emm.core.progress import say
from emm.training.auto import complete_recipe
from emm.training.context import open_context
from emm.training.settings import TrainingSettings
from emm.training.weighting import read_weighting
from emm.tuning.space import SPACES, Space, Trial, best_trial, read_log
from emm.tuning.trial import Section, train_trial


def tune(project: Project, dataset: str, model: str, space: Space, log: Path) -> Trial:
    """Train every section of the space that is not in ``log`` yet; returns the best trial.

    An interrupted tuning continues at the end of its log. The best trial is the first with the
    highest mean validation AUC. Raises DataError if the log belongs to other lists of values or to
    another number of seeds, ParamsError if a list has a rule of loss weighting that doesn't exist.
    """
    done = read_log(log) if log.exists() else []
    sections = space.sections(model)
    _require_same_space(log, done, sections, space)
    for section in sections:
        if isinstance(rule := section.get("weighting"), Mapping):
            read_weighting(**rule)  # before hours of trials, not after
    training = complete_recipe(project, dataset).read("training", TrainingSettings)
    processed, active = project.paths(dataset).processed, project.active
    context = open_context(processed, active.recipe, training, active.memory_gib)
    log.parent.mkdir(parents=True, exist_ok=True)
    for number in range(len(done), len(sections)):
        section = sections[number]
        by_seed = [
            train_trial(context, project, dataset, model, section, space.seed + k)
            for k in range(space.seeds)
        ]
        aucs = {task: fmean(scores[task] for scores in by_seed) for task in by_seed[0]}
        means = tuple(fmean(scores.values()) for scores in by_seed)
        done.append(Trial(number, section, aucs, fmean(aucs.values()), means))
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(done[-1])) + "\n")
        score = f"mean validation AUC {done[-1].mean_auc:.5f}"
        say(f"{model} trial {number + 1} of {len(sections)}: {score}")
    return best_trial(done)


def _require_same_space(
    log: Path, done: Sequence[Trial], sections: Sequence[Section], space: Space
) -> None:
    if [trial.section for trial in done] != sections[: len(done)]:
        raise DataError(
            f"{log} holds trials of other lists than {SPACES}",
            where=log,
            next_step=f"delete it to repeat the tuning, or restore {SPACES}",
        )
    if seeds := {max(1, len(trial.by_seed)) for trial in done} - {space.seeds}:
        raise DataError(
            f"{log} holds trials of another number of seeds than {SPACES}",
            where=log,
            got=seeds.pop(),
            expected=space.seeds,
            next_step=f"delete it to repeat the tuning, or restore {SPACES}",
        )
