"""The spaces of hyper-parameters that tuning tries, and the logs of its trials."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from emm.config.binding import Count, bind, raise_all
from emm.core.errors import DataError, ParamsError, choose

SPACES = Path("tuning.yaml")
LOGS = Path("tuning")


@dataclass(frozen=True)
class Space:
    """The values that are tried on one dataset.

    Attributes:
        trials: number of trials per model.
        seed: of the draws, and the first seed of training.
        networks: lists of values by key, shared by all models that aren't independent.
        independent: models that have only lists of their own.
        models: each model's own lists.
        seeds: trainings per trial; a trial's score is their mean.
    """

    trials: Count
    seed: Annotated[int, Field(ge=0)]
    networks: Mapping[str, Sequence[Any]]
    independent: tuple[str, ...]
    models: Mapping[str, Mapping[str, Sequence[Any]]]
    seeds: Count = 1

    def sections(self, model: str) -> list[dict[str, Any]]:
        """The sections to try for ``model``, the starting point first."""
        choose("model", model, self.models, SPACES, "add its lists there")
        shared = {} if model in self.independent else self.networks
        lists = {**shared, **self.models[model]}
        start = {key: values[0] for key, values in lists.items()}
        drawn = [section for section in _drawn(lists, self.trials, self.seed) if section != start]
        return [start, *drawn][: self.trials]


@dataclass(frozen=True)
class Trial:
    """One line of a log.

    Attributes:
        trial: its number, from 0.
        section: the section that was tried.
        auc: the best validation score of each task, R squared for a regression, as a mean over
            seeds.
        mean_auc: the mean over tasks.
        by_seed: for each seed the mean over tasks; () in older logs, which have one seed.
    """

    trial: int
    section: Mapping[str, Any]
    auc: Mapping[str, float]
    mean_auc: float
    by_seed: tuple[float, ...] = ()


def load_space(dataset: str, path: Path = SPACES) -> Space:
    """Read the part of tuning.yaml for one dataset. Raises one ParamsError for all its faults."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(f"{path} can't be read: {error}", where=path) from error
    tree = tree if isinstance(tree, dict) else {}
    choose("dataset", dataset, tree, path, "add its lists there")
    errors: list[str] = []
    space: Space = bind(Space, tree[dataset], dataset, errors)
    if not errors:
        groups = {"networks": space.networks}
        groups |= {f"models.{model}": lists for model, lists in space.models.items()}
        errors.extend(
            f"{dataset}.{group}.{key}: got [], expected at least one value"
            for group, lists in groups.items()
            for key, values in lists.items()
            if not values
        )
    raise_all(errors, str(path))
    return space


def read_log(log: Path) -> list[Trial]:
    """Read the trials of a log. Raises DataError if a line is damaged."""
    errors: list[str] = []
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"{log} can't be read: {error}", where=log) from error
    trials = [bind(Trial, line, f"line {n}", errors) for n, line in enumerate(lines, start=1)]
    if errors:
        raise DataError(f"{log} is damaged: {'; '.join(errors)}", where=log)
    return trials


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The first trial with the highest mean validation AUC."""
    return max(trials, key=lambda trial: (trial.mean_auc, -trial.trial))


def log_of(dataset: str, model: str) -> Path:
    """The path of one model's log."""
    return LOGS / dataset / f"{model}.jsonl"


def _drawn(lists: Mapping[str, Sequence[Any]], trials: int, seed: int) -> Iterator[dict[str, Any]]:
    # Imported here because it takes a second, too long for `emm --help`.
    from math import prod

    from sklearn.model_selection import ParameterSampler

    count = min(trials, prod(map(len, lists.values())))
    return iter(ParameterSampler(lists, count, random_state=seed))
