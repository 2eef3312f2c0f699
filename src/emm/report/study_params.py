"""The section ``study`` of the study's params.yaml: which rows stand in which table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from emm.config.binding import Share, bind, nearest, raise_all
from emm.config.files import read_layers

STUDY_FILE = Path("study/params.yaml")


@dataclass(frozen=True)
class BorrowedRow:
    """A row evaluated with another dataset's block on the same test rows, and its name here."""

    dataset: str
    row: str
    name: str


@dataclass(frozen=True)
class StudyTableSettings:
    """One table of the study.

    ``rows`` are compared with ``reference``, which is one of them; ``borrowed`` rows come last.
    ``trained`` rows are the bar for Gain. ``published``: a row whose published numbers have
    another row's name. ``goals``: AUC that the reference is to reach, by task. ``remark``: a
    sentence about the table's set-up, no claim about its numbers.
    """

    title: str
    dataset: str
    recipe: Literal["paper", "tuned"]
    rows: tuple[str, ...]
    reference: str
    borrowed: tuple[BorrowedRow, ...] = ()
    trained: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, Share] = field(default_factory=dict)
    remark: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all rows, in the order of the table."""
        return (*self.rows, *(row.name for row in self.borrowed))

    @property
    def sources(self) -> tuple[tuple[str, str, str], ...]:
        """Dataset, evaluated row and name here of all rows, in the order of the table."""
        own = ((self.dataset, row, row) for row in self.rows)
        return (*own, *((row.dataset, row.row, row.name) for row in self.borrowed))


@dataclass(frozen=True)
class StudySettings:
    """``tables`` by name, in the order of the page; ``tasks``: those that the figure of tasks draws
    against each other; ``notes``: remarks on what was tried, in markdown."""

    tables: Mapping[str, StudyTableSettings]
    tasks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_study(path: Path = STUDY_FILE) -> StudySettings:
    """Read the section ``study`` of ``path``; one ParamsError lists everything wrong with it."""
    errors: list[str] = []
    study: Any = bind(StudySettings, read_layers(path).get("study"), "study", errors)
    if not errors:
        errors.extend(_cross_check(study))
    raise_all(errors)
    return study  # type: ignore[no-any-return]


def _cross_check(study: StudySettings) -> list[str]:
    errors = [] if study.tables else ["study.tables: got none, expected at least one table"]
    errors.extend(
        f"study.tasks: no table is called {name!r}; {nearest(name, study.tables)}"
        for name in study.tasks
        if name not in study.tables
    )
    for name, table in study.tables.items():
        if len(set(table.names)) < len(table.names):
            errors.append(f"study.tables.{name}.rows: a name stands there twice")
        named = {"reference": [table.reference], "trained": table.trained}
        named["published"] = list(table.published)
        errors.extend(
            f"study.tables.{name}.{key}: {row!r} is none of its rows; {nearest(row, table.names)}"
            for key, rows in named.items()
            for row in rows
            if row not in table.names
        )
    return errors
