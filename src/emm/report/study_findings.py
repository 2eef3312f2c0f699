"""What a study's table shows about its reference, computed from the table's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emm.report.names import display_name
from emm.report.study_results import StudyTable
from emm.report.study_tables import SIGNIFICANCE, p_text
from emm.report.tables import decimals, signed


@dataclass(frozen=True)
class Goal:
    """The AUC that the reference was to reach, its AUC, and what is missing ("" if reached)."""

    goal: str
    auc: str
    missing: str


@dataclass(frozen=True)
class Finding:
    """How a table's reference compares with its other models on one task, as text to print.

    Args:
        compared: number of other models.
        above: models that the reference is significantly above.
        below: models that the reference is significantly below.
        undecided: all other models, with p values.
        higher: models with a higher mean AUC, with the differences.
        published: whether any model has a published AUC.
        below_published: models with a lower AUC than published, with the differences.
    """

    task: str
    reference: str
    compared: int
    above: Sequence[str]
    below: Sequence[str]
    undecided: Sequence[str]
    higher: Sequence[str]
    goal: Goal | None
    published: bool
    below_published: Sequence[str]


def findings(table: StudyTable) -> list[Finding]:
    """Return one finding for each task that is scored by its AUC."""
    return [_finding(table, task) for task in table.by_auc]


def _finding(table: StudyTable, task: str) -> Finding:
    found = {name: r.differences[task] for name, r in table.results.items() if r.differences}
    decided = {name: each.auc for name, each in found.items() if each.p < SIGNIFICANCE}
    above = [name for name, auc in decided.items() if auc < 0]
    below = [name for name, auc in decided.items() if auc > 0]
    undecided = {name: each.p for name, each in found.items() if name not in (*above, *below)}
    published = _less_published(table, task)
    return Finding(
        task,
        reference=display_name(table.settings.reference),
        compared=len(found),
        above=[_name(name) for name in above],
        below=[_name(name) for name in below],
        undecided=[f"{_name(name)} (p = {p_text(p)})" for name, p in undecided.items()],
        higher=_with_difference({name: each.auc for name, each in found.items() if each.auc > 0}),
        goal=_goal(table, task),
        published=bool(published),
        below_published=_with_difference({n: auc for n, auc in published.items() if auc < 0}),
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
