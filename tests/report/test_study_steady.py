"""Numbers of a table's file don't depend on the last bits of sums."""

import math
from dataclasses import replace

from emm.metrics.procedures import Estimate, Interval
from emm.report.remarks import Remarks
from emm.report.study_differences import Difference
from emm.report.study_results import StudyResults, StudyTable
from emm.report.study_steady import steady
from emm.report.summary import Summary, Totals
from tests.report.study_tables import SETTINGS


def table(shift: float) -> StudyTable:
    """A table whose unrounded numbers are ``shift`` times larger."""
    estimate = Estimate(-0.012 * shift, 3e-4 * shift, 1e-7 * shift, 7.3 * shift)
    differences = {
        "income": Difference(estimate, 1.1e-200 * shift),
        "click": Difference(replace(estimate, seeds_error=None, degrees_of_freedom=math.inf)),
    }
    results = StudyResults(Summary({}, Totals(0.9, 1, 2, 3, 4)), {}, 5, differences)
    intervals = {"emm": {"income": Interval(0.9 * shift, 0.95 * shift), "click": None}}
    return StudyTable(SETTINGS, ("income",), {"emm": results}, Remarks(intervals))


def test_the_last_bits_are_dropped() -> None:
    assert table(1 + 4e-16) != table(1.0)
    assert steady(table(1 + 4e-16)) == steady(table(1.0)) == table(1.0)


def test_what_the_page_shows_is_kept() -> None:
    assert steady(table(1 + 1e-9)) != steady(table(1.0))
