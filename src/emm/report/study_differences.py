"""How a study's models differ from the reference of their table, and what is decided by that."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from emm.metrics.procedures import Estimate
from emm.metrics.significance import holm
from emm.metrics.uncertainty import ScoredRows, compare_procedures
from emm.report.facts import DatasetFacts
from emm.report.new_rows import aucs_of_new_rows
from emm.report.predictions import read_predictions, require_same_rows, rows_by_task
from emm.report.remarks import Intervals, intervals_of
from emm.report.results import ModelResults
from emm.report.task_summaries import rounded

SIGNIFICANCE = 0.05
FEWEST_SEEDS = 5
"""With fewer seeds, the seeds' variance is known too badly for a decision."""


@dataclass(frozen=True)
class Difference:
    """A model's mean AUC minus that of the reference.

    ``primary``: the p value after Holm's correction over the primary family; None outside of it.
    """

    estimate: Estimate
    primary: float | None = None

    @property
    def auc(self) -> float:
        """The difference, rounded as in the metrics files."""
        return rounded(self.estimate.value)


@dataclass(frozen=True)
class Family:
    """The primary family of a study, in the table that it is about.

    Args:
        against: the models that the reference is compared with.
        comparisons: their number times that of the tasks.
        seeds: the fewest seeds among the family's models that chance has a part in; None if it has
            none in any of them.
    """

    against: tuple[str, ...]
    comparisons: int
    seeds: int | None

    @property
    def decides(self) -> bool:
        """Whether there are enough seeds for a decision."""
        return self.seeds is None or self.seeds >= FEWEST_SEEDS


@dataclass(frozen=True)
class Differences:
    """By model and task: differences from the reference and intervals of the AUCs.

    ``deterministic``: the models whose seeds all predict the same; ``new_rows``: see
    `aucs_of_new_rows`.
    """

    by_model: Mapping[str, Mapping[str, Difference]]
    intervals: Mapping[str, Intervals]
    deterministic: frozenset[str]
    weighted: bool
    new_rows: Mapping[str, Mapping[str, float | None]]
    family: Family | None = None


def read_differences(
    models: Sequence[ModelResults],
    reference: ModelResults,
    facts: DatasetFacts,
    pool: Collection[str] = (),
) -> Differences:
    """Compare every other model with the reference, for the procedures over seeds.

    Only the predictions of the reference and one more model are in memory at a time.

    Args:
        pool: the names of the models of which those of one seed form a pair.

    Raises DataError if predictions are unusable or on other rows than the reference's.
    """
    bar = read_predictions(reference, facts)
    reference_rows = rows_by_task(bar, facts)
    found: dict[str, dict[str, Difference]] = {}
    intervals: dict[str, Intervals] = {}
    deterministic, new_rows = set(), {}
    for model in models:
        rows, predictions = reference_rows, bar
        if model.name != reference.name:
            predictions = read_predictions(model, facts)
            require_same_rows(model, predictions, reference, bar)
            rows = rows_by_task(predictions, facts)
            paired = {model.name, reference.name} <= set(pool) and _same_seeds(model, reference)
            found[model.name] = _differences(rows, reference_rows, facts.by_auc, paired)
        intervals[model.name] = intervals_of(rows, facts.by_auc)
        new_rows[model.name] = aucs_of_new_rows(predictions, facts)
        if facts.by_auc and all(rows[task].deterministic for task in facts.by_auc):
            deterministic.add(model.name)
    weighted = bar.weights is not None
    return Differences(found, intervals, frozenset(deterministic), weighted, new_rows)


def decide(
    found: Differences, models: Sequence[ModelResults], reference: str, against: tuple[str, ...]
) -> Differences:
    """The same with p values after Holm's correction for the models ``against`` the reference.

    There are none if the family has too few seeds.
    """
    if not against:
        return found
    seeds = [
        len(model.evaluation.seeds)
        for model in models
        if model.name in (reference, *against) and model.name not in found.deterministic
    ]
    pairs = [(model, task) for model in against for task in found.by_model[model]]
    family = Family(against, len(pairs), min(seeds, default=None))
    if not family.decides:
        return replace(found, family=family)
    by_model = {model: dict(tasks) for model, tasks in found.by_model.items()}
    adjusted = holm([by_model[model][task].estimate.p for model, task in pairs])
    for (model, task), p in zip(pairs, adjusted, strict=True):
        by_model[model][task] = replace(by_model[model][task], primary=p)
    return replace(found, by_model=by_model, family=family)


def _differences(
    rows: Mapping[str, ScoredRows],
    reference: Mapping[str, ScoredRows],
    tasks: Sequence[str],
    paired: bool,
) -> dict[str, Difference]:
    return {
        task: Difference(compare_procedures(rows[task], reference[task], paired=paired))
        for task in tasks
    }


def _same_seeds(model: ModelResults, other: ModelResults) -> bool:
    return model.evaluation.seeds == other.evaluation.seeds
