"""Random content of a study's results files: every kind of value that they can hold."""

import math
from typing import Any

from hypothesis import strategies as st

from emm.data.tables.schema import InferredColumn, Target
from emm.metrics.procedures import Estimate, Interval
from emm.report.facts import DatasetFacts
from emm.report.remarks import Remarks
from emm.report.study_differences import Difference, Family
from emm.report.study_files import StoredTable
from emm.report.study_results import StudyResults, StudyTable
from emm.report.study_settings import BorrowedRow, StudyTableSettings
from emm.report.summary import Summary, Totals
from emm.report.task_summaries import ClassSummary, RegressionSummary, TaskSummary

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | FLOATS
COUNTS = st.integers(0, 10**12)
# A task may have any name, also one of the file's own keys.
NAMES = st.sampled_from(["a", "rows_error", "seeds_error", "degrees_of_freedom", "tasks"])
TEXTS = st.text(max_size=6)


def by_name(values: st.SearchStrategy[Any], names: st.SearchStrategy[str] = NAMES) -> Any:
    return st.dictionaries(names, values, max_size=3)


def tuples(values: st.SearchStrategy[Any]) -> Any:
    return st.lists(values, max_size=3).map(tuple)


BINARY = st.builds(TaskSummary, FLOATS, MAYBE, MAYBE, FLOATS, FLOATS, MAYBE)
CLASSES = st.builds(ClassSummary, FLOATS, MAYBE, MAYBE, FLOATS, FLOATS, FLOATS, FLOATS)
REGRESSION = st.builds(RegressionSummary, FLOATS, MAYBE, MAYBE, FLOATS, FLOATS)
TOTALS = st.builds(Totals, FLOATS, COUNTS, COUNTS, COUNTS, FLOATS)
SUMMARIES = st.builds(
    Summary, by_name(BINARY | CLASSES | REGRESSION), TOTALS, by_name(BINARY), by_name(MAYBE)
)
DIFFERENCES = st.builds(
    Difference, st.builds(Estimate, FLOATS, FLOATS, MAYBE, FLOATS | st.just(math.inf)), MAYBE
)
RESULTS = st.builds(
    StudyResults, SUMMARIES, by_name(FLOATS), FLOATS, by_name(DIFFERENCES), st.booleans()
)
REMARKS = st.builds(
    Remarks,
    by_name(by_name(st.none() | st.builds(Interval, FLOATS, FLOATS))),
    by_name(TEXTS),
    by_name(TEXTS),
)
TABLES = st.builds(
    StudyTable,
    st.builds(
        StudyTableSettings,
        title=TEXTS,
        dataset=NAMES,
        recipe=st.sampled_from(["paper", "tuned"]),
        rows=tuples(NAMES),
        reference=NAMES,
        borrowed=tuples(st.builds(BorrowedRow, NAMES, NAMES, NAMES)),
        trained=tuples(NAMES),
        published=by_name(NAMES),
        goals=by_name(st.floats(0, 1)),
        remark=st.none() | TEXTS,
    ),
    tuples(NAMES),
    by_name(RESULTS),
    REMARKS,
    st.booleans(),
    st.none() | st.builds(Family, tuples(NAMES), COUNTS, st.none() | COUNTS),
)
FACTS = st.builds(
    DatasetFacts,
    name=NAMES,
    title=TEXTS,
    tasks=tuples(NAMES),
    rows=by_name(COUNTS),
    positive_rates=by_name(by_name(FLOATS)),
    source=TEXTS,
    licence=TEXTS,
    kinds=tuples(NAMES),
    targets=by_name(st.builds(Target, FLOATS, FLOATS)),
    means=by_name(by_name(FLOATS)),
    classes=by_name(tuples(TEXTS)),
    class_rates=by_name(by_name(tuples(FLOATS))),
    labelled=by_name(by_name(COUNTS)),
    outputs=tuples(COUNTS),
    steps=tuples(COUNTS),
    inferred=tuples(st.builds(InferredColumn, TEXTS, TEXTS, COUNTS, COUNTS, TEXTS)),
)
STORED = st.builds(StoredTable, TABLES, FACTS, by_name(COUNTS), tuples(NAMES))
