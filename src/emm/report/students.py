"""Students: who taught them, and how far they are from their teacher and from labels only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from emm.metrics.procedures import Estimate
from emm.metrics.uncertainty import auc_interval, compare_procedures
from emm.report.facts import DatasetFacts
from emm.report.markdown import NOTHING, markdown_table
from emm.report.names import display_name, join_names
from emm.report.predictions import read_predictions, rows_by_task
from emm.report.results import ModelResults, read_json
from emm.report.tables import count_or_nothing, decimals, signed

FILE = "teacher.json"
POOL = "pool"


@dataclass(frozen=True)
class TeacherScores:
    """A teacher's score of one task by seed: for train, out of fold, and for validation."""

    train: tuple[float, ...]
    validation: tuple[float, ...]


@dataclass(frozen=True)
class Lessons:
    """Content of a student's teacher.json; ``teacher``: a fused row, ``pool`` or, if the network
    learned on labels only, None; ``exchanged``: the share of exchanged values in additional rows;
    ``outside``: members that were trained elsewhere."""

    format: int
    network: str
    teacher: str | None
    soft_targets: float
    temperature: float
    seeds: tuple[int, ...]
    exchanged: float = 0.0
    scores: Mapping[str, TeacherScores] = field(default_factory=dict)
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudentRow:
    """A student, its operations per row, and its AUC minus that of others, by task and model."""

    name: str
    lessons: Lessons
    operations: int
    differences: Mapping[str, Mapping[str, Estimate]]


def read_students(
    results: Sequence[ModelResults], facts: DatasetFacts, mean: str | None = None
) -> list[StudentRow]:
    """The students among ``results``. Raises DataError for an unusable file.

    ``mean``: the fused row that is the mean of the pool.
    """
    lessons = {
        each.name: read_json(each.folder / FILE, Lessons)
        for each in results
        if (each.folder / FILE).exists()
    }
    by_name = {each.name: each for each in results}
    found = []
    for name, own in lessons.items():
        differences = {
            other: _differences(by_name[name], by_name[other], facts, paired=other not in lessons)
            for other in _compared(name, lessons, by_name, mean)
        }
        operations = by_name[name].evaluation.operations
        found.append(StudentRow(name, own, operations, differences))
    return found


def _differences(
    student: ModelResults, other: ModelResults, facts: DatasetFacts, *, paired: bool
) -> dict[str, Estimate]:
    """The student's AUC minus the other's, by task with enough rows of each class."""
    pair = [rows_by_task(read_predictions(each, facts), facts) for each in (student, other)]
    paired = paired and student.evaluation.seeds == other.evaluation.seeds
    return {
        task: compare_procedures(*(rows[task] for rows in pair), paired=paired)
        for task in facts.by_auc
        if all(auc_interval(rows[task]) for rows in pair)
    }


def _compared(
    name: str,
    lessons: Mapping[str, Lessons],
    results: Mapping[str, ModelResults],
    mean: str | None,
) -> Iterator[str]:
    """The rows that a student is compared with: its teacher, and its network on labels only."""
    own = lessons[name]
    if own.teacher is None:
        return
    teacher = mean if own.teacher == POOL else own.teacher
    if teacher is not None and teacher in results:
        yield teacher
    size = _size(results[name])
    for other, theirs in lessons.items():
        same = (theirs.network, _size(results[other])) == (own.network, size)
        if theirs.teacher is None and same:
            yield other


def _size(results: ModelResults) -> tuple[int, int]:
    return results.evaluation.parameters, results.evaluation.operations


def students_table(students: Sequence[StudentRow]) -> str:
    """A line for every student and model that it is compared with; "" without students."""
    if not students:
        return ""
    tasks = list(
        dict.fromkeys(t for s in students for each in s.differences.values() for t in each)
    )
    header = ["student", "network", "teacher", "weight", "temperature", "operations", "minus"]
    rows = []
    for student in students:
        own = student.lessons
        about = [display_name(own.network), *_taught(own), count_or_nothing(student.operations)]
        for other, each in student.differences.items() or [("", {})]:
            cells = [_difference(each.get(task)) for task in tasks]
            name = display_name(student.name)
            rows.append([name, *about, display_name(other) or NOTHING, *cells])
    return markdown_table([*header, *tasks], rows)


def _taught(lessons: Lessons) -> list[str]:
    if lessons.teacher is None:
        return ["labels only", NOTHING, NOTHING]
    teacher = "mean of the pool" if lessons.teacher == POOL else display_name(lessons.teacher)
    return [teacher, f"{lessons.soft_targets:g}", f"{lessons.temperature:g}"]


def _difference(found: Estimate | None) -> str:
    if found is None:
        return NOTHING
    low, high = found.interval
    return f"{signed(found.value)} [{low:+.5f}, {high:+.5f}]"


def teacher_sentences(students: Sequence[StudentRow]) -> list[str]:
    """How good each teacher is on rows of train and of validation."""
    found = []
    for student in students:
        own = student.lessons
        scores = [
            f"{task} {decimals(fmean(each.train))} and {decimals(fmean(each.validation))}"
            for task, each in own.scores.items()
        ]
        if scores:
            text = f"{display_name(student.name)}: its teacher scores {join_names(scores)}."
            if own.outside:
                text += (
                    f" {join_names(own.outside)} can't be trained without a fold: what they say of "
                    "train is used as it is, though they may have seen these rows."
                )
            found.append(text)
    return found
