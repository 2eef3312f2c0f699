"""Sentences that follow from a table's numbers; none of them is written by hand."""

from collections.abc import Iterable, Sequence

from emm.report.names import display_name, join_names
from emm.report.study_results import StudyTable
from emm.report.study_tables import SIGNIFICANCE, p_text
from emm.report.tables import decimals, signed


def findings(table: StudyTable) -> list[str]:
    """For each binary task: how the reference stands to the rows, its goal, published numbers."""
    return [
        f"{task}: {sentence}"
        for task in table.binary
        for sentence in (
            _significant(table, task),
            _highest(table, task),
            *_goal(table, task),
            *_published(table, task),
        )
    ]


def _significant(table: StudyTable, task: str) -> str:
    """Which rows the reference is told apart from, and which not."""
    reference = display_name(table.params.reference)
    found = {name: r.differences[task] for name, r in table.results.items() if r.differences}
    if not found:
        return f"{reference} stands alone."
    lower = [name for name, d in found.items() if d.p < SIGNIFICANCE and d.auc < 0]
    higher = [name for name, d in found.items() if d.p < SIGNIFICANCE and d.auc > 0]
    if len(lower) == len(found):
        return f"{reference} is above every other row, each with p < {SIGNIFICANCE}."
    parts = []
    if lower:
        parts.append(f"above {_names(lower)} with p < {SIGNIFICANCE}")
    if higher:
        parts.append(f"below {_names(higher)} with p < {SIGNIFICANCE}")
    open_ = [name for name in found if name not in (*lower, *higher)]
    if open_:
        p_values = (f"{_name(name)} (p = {p_text(found[name].p)})" for name in open_)
        parts.append(f"not told apart from {join_names(list(p_values))}")
    return f"{reference} is {'; '.join(parts)}."


def _highest(table: StudyTable, task: str) -> str:
    """Which rows have a higher mean AUC than the reference, whatever chance has to do with it."""
    reference = display_name(table.params.reference)
    above = [
        f"{_name(name)} ({signed(result.differences[task].auc)})"
        for name, result in table.results.items()
        if result.differences and result.differences[task].auc > 0
    ]
    if not above:
        return f"no row has a higher mean AUC than {reference}."
    return f"a higher mean AUC than {reference} has {join_names(above)}."


def _goal(table: StudyTable, task: str) -> Iterable[str]:
    goal = table.params.goals.get(task)
    if goal is None:
        return
    reference = table.params.reference
    auc, _, _ = table.results[reference].summary.tasks[task].score
    reached = f"{decimals(auc)}, with the goal of {goal:g}"
    short = f": {decimals(goal - auc)} short of it" if auc < goal else " reached"
    yield f"{display_name(reference)} has {reached}{short}."


def _published(table: StudyTable, task: str) -> Iterable[str]:
    """Which rows are below the published value that stands beside them."""
    pairs = {
        name: (result.summary.tasks[task].score[0], paper)
        for name, result in table.results.items()
        if (paper := table.published(name, task)) is not None
    }
    if not pairs:
        return
    below = [
        f"{_name(name)} ({signed(auc - paper)})"
        for name, (auc, paper) in pairs.items()
        if auc < paper
    ]
    if below:
        yield f"below the published value: {join_names(below)}."
    else:
        yield "no row is below its published value."


def _names(names: Sequence[str]) -> str:
    return join_names([_name(name) for name in names])


def _name(model: str) -> str:
    """A printed name; one with a comma in it stands in quotation marks."""
    name = display_name(model)
    return f'"{name}"' if "," in name else name
