"""What a study's table shows about its reference, computed from the table's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emm.report.names import display_name
from emm.report.study_differences import SIGNIFICANCE, Difference
from emm.report.study_results import StudyTable
from emm.report.study_tables import p_text
from emm.report.tables import decimals, signed


@dataclass(frozen=True)
class Goal:
    """The AUC that the reference was to reach, its AUC, and what is missing ("" if reached)."""

    goal: str
    auc: str
    missing: str


@dataclass(frozen=True)
class Verdicts:
    """Models whose AUC is lower than the reference's, higher, and neither."""

    lower: Sequence[str]
    higher: Sequence[str]
    neither: Sequence[str]


@dataclass(frozen=True)
class Finding:
    """How a table's reference compares with its other models on one task, as text to print.

    Args:
        compared: number of other models.
        primary: verdicts on the models of the primary family, for the procedure; None if there is
            no such family in the table, or it decides nothing.
        procedures: where the differences of the other models are, for the procedure.
        trained_models: the same of models that can't be compared for the procedure.
        higher: models with a higher mean AUC, with the differences.
        published: whether any model has a published AUC.
        below_published: models with a lower AUC than published, with the differences.
    """

    task: str
    reference: str
    compared: int
    primary: Verdicts | None
    procedures: Verdicts | None
    trained_models: Verdicts | None
    higher: Sequence[str]
    goal: Goal | None
    published: bool
    below_published: Sequence[str]


def findings(table: StudyTable) -> list[Finding]:
    """Return one finding for each task that is scored by its AUC."""
    return [_finding(table, task) for task in table.by_auc]


def _finding(table: StudyTable, task: str) -> Finding:
    found = {name: r.differences[task] for name, r in table.results.items() if r.differences}
    primary = {name: each for name, each in found.items() if each.primary is not None}
    others = {name: each for name, each in found.items() if each.primary is None}
    published = _less_published(table, task)
    return Finding(
        task,
        reference=display_name(table.settings.reference),
        compared=len(found),
        primary=_decided(primary),
        procedures=_described({n: e for n, e in others.items() if e.estimate.of_procedure}),
        trained_models=_described({n: e for n, e in others.items() if not e.estimate.of_procedure}),
        higher=_with_difference({name: each.auc for name, each in found.items() if each.auc > 0}),
        goal=_goal(table, task),
        published=bool(published),
        below_published=_with_difference({n: auc for n, auc in published.items() if auc < 0}),
    )


def _decided(found: Mapping[str, Difference]) -> Verdicts | None:
    """Verdicts by the p values of the primary family; those that aren't significant are shown."""
    if not found:
        return None
    p_values = {name: 1.0 if each.primary is None else each.primary for name, each in found.items()}
    significant = {name for name, p in p_values.items() if p < SIGNIFICANCE}
    return Verdicts(
        [_name(name) for name in found if name in significant and found[name].auc < 0],
        [_name(name) for name in found if name in significant and found[name].auc >= 0],
        [f"{_name(n)} (p = {p_text(p)})" for n, p in p_values.items() if n not in significant],
    )


def _described(found: Mapping[str, Difference]) -> Verdicts | None:
    """On which side of 0 the intervals of the differences are."""
    if not found:
        return None
    intervals = {name: each.estimate.interval for name, each in found.items()}
    return Verdicts(
        [_name(name) for name, (_, high) in intervals.items() if high < 0],
        [_name(name) for name, (low, _) in intervals.items() if low > 0],
        [_name(name) for name, (low, high) in intervals.items() if low <= 0 <= high],
    )


def _goal(table: StudyTable, task: str) -> Goal | None:
    goal = table.settings.goals.get(task)
    if goal is None:
        return None
    auc, _, _ = table.results[table.settings.reference].summary.tasks[task].score
    return Goal(f"{goal:g}", decimals(auc), decimals(goal - auc) if auc < goal else "")


def _less_published(table: StudyTable, task: str) -> dict[str, float]:
    """AUC less the published AUC, by model that has one."""
    return {
        name: result.summary.tasks[task].score[0] - published
        for name, result in table.results.items()
        if (published := table.published(name, task)) is not None
    }


def _with_difference(models: Mapping[str, float]) -> list[str]:
    return [f"{_name(name)} ({signed(difference)})" for name, difference in models.items()]


def _name(model: str) -> str:
    """A displayed name, in quotation marks if it has a comma."""
    name = display_name(model)
    return f'"{name}"' if "," in name else name
