"""A table without the last digits of its numbers, in which sums with more threads differ."""

from dataclasses import replace

from emm.metrics.procedures import Estimate, Interval
from emm.report.remarks import Intervals
from emm.report.study_differences import Difference
from emm.report.study_results import StudyTable

DIGITS = 12


def steady(table: StudyTable) -> StudyTable:
    """The table with all but DIGITS significant digits of its unrounded numbers dropped."""
    results = {
        model: replace(
            each, differences={task: _difference(d) for task, d in each.differences.items()}
        )
        for model, each in table.results.items()
    }
    intervals = {model: _intervals(each) for model, each in table.remarks.intervals.items()}
    return replace(table, results=results, remarks=replace(table.remarks, intervals=intervals))


def _difference(found: Difference) -> Difference:
    each = found.estimate
    estimate = Estimate(
        _number(each.value),
        _number(each.rows_error),
        None if each.seeds_error is None else _number(each.seeds_error),
        _number(each.degrees_of_freedom),
    )
    return Difference(estimate, None if found.primary is None else _number(found.primary))


def _intervals(found: Intervals) -> Intervals:
    return {name: each and Interval(*map(_number, each)) for name, each in found.items()}


def _number(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
