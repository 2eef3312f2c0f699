"""Settings of a study's report: the models of each table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from emm.config.binding import Share, bind, raise_all
from emm.config.files import read_layers
from emm.core.errors import nearest

STUDY_FILE = Path("study/tables.yaml")


@dataclass(frozen=True)
class BorrowedRow:
    """A model evaluated with another dataset's settings on the same test rows.

    Args:
        dataset: whose evaluation is read.
        row: the evaluated model.
        name: its name in this table.
    """

    dataset: str
    row: str
    name: str


@dataclass(frozen=True)
class StudyTableSettings:
    """One table of a study.

    Args:
        rows: the models.
        reference: the model that all others are compared with, one of the table's.
        borrowed: models of other datasets, after ``rows``.
        trained: the single-task models that Gain is measured against.
        published: for a model, the name of the model whose published AUC it is compared with.
        goals: AUC that the reference is to reach, by task.
        remark: a sentence about the table's set-up, not about its numbers.
    """

    title: str
    dataset: str
    recipe: Literal["paper", "tuned", "default"]
    rows: tuple[str, ...]
    reference: str
    borrowed: tuple[BorrowedRow, ...] = ()
    trained: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, Share] = field(default_factory=dict)
    remark: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models, in the order of the table."""
        return (*self.rows, *(row.name for row in self.borrowed))

    @property
    def sources(self) -> tuple[tuple[str, str, str], ...]:
        """Dataset, evaluated model and name in this table of all models, in order."""
        rows = ((self.dataset, row, row) for row in self.rows)
        return (*rows, *((row.dataset, row.row, row.name) for row in self.borrowed))

    def in_pool(self, pool: Collection[str]) -> tuple[str, ...]:
        """The names of the models that are made of the same pool as the reference.

        A pool is that of one dataset and recipe: a borrowed model is made of its own dataset's.
        """
        pools = {name: dataset for dataset, row, name in self.sources if row in pool}
        if self.reference not in pools:
            return ()
        return tuple(name for name, of in pools.items() if of == pools[self.reference])


@dataclass(frozen=True)
class PrimaryFamily:
    """The comparisons that a study decides, declared before it runs; all others are descriptive.

    Args:
        table: whose reference is compared.
        against: the models that it is compared with, on every task that is scored by its AUC.
    """

    table: str
    against: tuple[str, ...]


@dataclass(frozen=True)
class StudySettings:
    """Settings of a study's report.

    Args:
        tables: by name, in the order of the page.
        primary: None if the study decides nothing.
        pool: the models that are made of one pool, and those of the pool itself: with the same
            dataset, recipe and seeds, the models of a seed form a pair.
        tasks: the tables that the figure by number of tasks compares.
        notes: remarks in Markdown on what was tried.
    """

    tables: Mapping[str, StudyTableSettings]
    primary: PrimaryFamily | None = None
    pool: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def against(self, table: str) -> tuple[str, ...]:
        """The models of the primary family in ``table``; () if it isn't about this table."""
        return self.primary.against if self.primary and self.primary.table == table else ()


def load_study(path: Path = STUDY_FILE) -> StudySettings:
    """Read the tables of a study from ``path``; raise one ParamsError that lists all faults."""
    errors: list[str] = []
    study: Any = bind(StudySettings, read_layers(path), "", errors)
    if not errors:
        errors.extend(_cross_check(study))
    raise_all(errors, str(path))
    return study  # type: ignore[no-any-return]


def _cross_check(study: StudySettings) -> list[str]:
    errors = [] if study.tables else ["tables: got none, expected at least one table"]
    errors.extend(
        f"tasks: no table is called {name!r}; {nearest(name, study.tables)}"
        for name in study.tasks
        if name not in study.tables
    )
    errors.extend(_check_primary(study))
    errors.extend(_check_pool(study))
    for name, table in study.tables.items():
        if len(set(table.names)) < len(table.names):
            errors.append(f"tables.{name}.rows: a name occurs twice")
        named = {"reference": [table.reference], "trained": table.trained}
        named["published"] = list(table.published)
        errors.extend(
            f"tables.{name}.{key}: {row!r} isn't one of its rows; {nearest(row, table.names)}"
            for key, rows in named.items()
            for row in rows
            if row not in table.names
        )
    return errors


def _check_primary(study: StudySettings) -> list[str]:
    family = study.primary
    if family is None:
        return []
    if family.table not in study.tables:
        known = nearest(family.table, study.tables)
        return [f"primary.table: no table is called {family.table!r}; {known}"]
    table = study.tables[family.table]
    errors = [] if family.against else ["primary.against: got none, expected at least one model"]
    if len(set(family.against)) < len(family.against):
        errors.append("primary.against: a name occurs twice")
    if table.reference in family.against:
        errors.append(f"primary.against: {table.reference!r} is the reference itself")
    errors.extend(
        f"primary.against: {row!r} isn't a row of {family.table}; {nearest(row, table.names)}"
        for row in family.against
        if row not in table.names
    )
    return errors


def _check_pool(study: StudySettings) -> list[str]:
    known = {row for table in study.tables.values() for _, row, _ in table.sources}
    errors = [
        f"pool: {row!r} isn't a row of any table; {nearest(row, sorted(known))}"
        for row in study.pool
        if row not in known
    ]
    return (
        [*errors, "pool: a name occurs twice"] if len(set(study.pool)) < len(study.pool) else errors
    )
