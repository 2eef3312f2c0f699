"""schema.json: the processed columns, their origin, and counts and statistics of the rows."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from emm.config.binding import bind
from emm.core.errors import DataError
from emm.core.files import sha256, write_json

FORMAT = 2
SPLITS = ("train", "validation", "test")
BINARY, REGRESSION, CLASSES = "binary", "regression", "classes"


@dataclass(frozen=True)
class DenseColumn:
    """Statistics of a dense column over train, in the column's own units.

    The stored values are (x - minimum) / (maximum - minimum), or x - minimum for a constant
    column. Missing values are replaced by the train mean first.

    ``quantiles``, distinct and in ascending order, are those of all rows and those of the rows
    without the column's most frequent value, because many amounts are zero in nearly every row.
    """

    name: str
    minimum: float
    maximum: float
    mean: float
    std: float
    missing: int
    constant: bool
    quantiles: tuple[float, ...]

    def scaled(self, value: float) -> float:
        """Scale a value from the column's own units to the stored ones."""
        width = 1.0 if self.constant else self.maximum - self.minimum
        return (value - self.minimum) / width


@dataclass(frozen=True)
class SparseColumn:
    """A sparse column: ``cardinality`` ids, including 0; ``rare`` values that were encoded as 0."""

    name: str
    cardinality: int
    rare: int
    constant: bool


@dataclass(frozen=True)
class BagColumn:
    """A multi-valued sparse field, as `SparseColumn`; ``items``: total number in all bags."""

    name: str
    cardinality: int
    rare: int
    items: int


@dataclass(frozen=True)
class InferredColumn:
    """What a raw column was taken as, and its values in the first rows.

    ``distinct``: number of different values; ``missing``: rows without one.
    """

    name: str
    taken_as: str
    distinct: int
    missing: int
    example: str


@dataclass(frozen=True)
class Target:
    """Mean and standard deviation of a regression task over train, in its own units.

    The stored labels are (y - mean) / std.
    """

    mean: float
    std: float


@dataclass(frozen=True)
class Split:
    """Counts of a split; rates and means are those of a task's labelled rows.

    ``positive_rate``: share of positive labels of each binary task; ``mean``: mean of the stored
    labels of each regression task; ``class_rates``: share of each class of a task of classes, in
    the order of `Schema.classes`; ``labelled``: number of rows with a label of each task, empty if
    no label of any split is missing.
    """

    rows: int
    positive_rate: Mapping[str, float]
    mean: Mapping[str, float] = field(default_factory=dict)
    class_rates: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    labelled: Mapping[str, int] = field(default_factory=dict)

    def labelled_rows(self, task: str) -> int:
        """Number of rows with a label of this task."""
        return self.labelled.get(task, self.rows)


@dataclass(frozen=True)
class Schema:
    """The contract between preprocessing and everything that reads processed data.

    ``kinds`` is empty if all tasks are binary; ``targets`` has the regression tasks only,
    ``classes`` the names of the classes of each task of several classes, in the order of their
    numbers from 0. ``funnel``: two tasks, the second of which happens only after the first, or
    none. ``kept``: columns that are stored unencoded next to the features. ``inferred``: raw
    columns whose use was inferred. Fields that are empty by default are not written to the file
    when they are empty.

    Labels are stored as 0 or 1, as a standardised number, or as the number of a class; null is
    missing.
    """

    format: int
    dataset: str
    title: str
    licence: str
    origin: str
    tasks: tuple[str, ...]
    key: str | None
    weight: str | None
    dense: tuple[DenseColumn, ...]
    sparse: tuple[SparseColumn, ...]
    splits: Mapping[str, Split]
    vocabularies: Mapping[str, str]
    kinds: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bags: tuple[BagColumn, ...] = ()
    funnel: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    inferred: tuple[InferredColumn, ...] = ()

    def kind(self, task: str) -> str:
        """Kind of a task: ``binary``, ``regression`` or ``classes``."""
        return self.kinds.get(task, BINARY)

    @property
    def regressions(self) -> tuple[str, ...]:
        """The regression tasks."""
        return tuple(task for task in self.tasks if self.kind(task) == REGRESSION)

    @property
    def task_kinds(self) -> tuple[str, ...]:
        """Kind of each task; () if all are binary."""
        return tuple(map(self.kind, self.tasks)) if self.kinds else ()

    @property
    def outputs(self) -> tuple[int, ...]:
        """Number of a model's outputs for each task; () if each has one."""
        if not self.classes:
            return ()
        return tuple(len(self.classes.get(task, ("",))) for task in self.tasks)

    @property
    def partly_labelled(self) -> bool:
        """Whether the label of any task is missing in any row."""
        return any(split.labelled for split in self.splits.values())

    @property
    def steps(self) -> tuple[int, ...]:
        """Numbers of the funnel's tasks; () without a funnel."""
        return tuple(map(self.tasks.index, self.funnel))

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of ids of each sparse column, including 0."""
        return tuple(column.cardinality for column in self.sparse)

    @property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """Quantiles of each dense column, scaled like the stored values."""
        return tuple(tuple(map(column.scaled, column.quantiles)) for column in self.dense)

    @property
    def dense_names(self) -> list[str]:
        return [column.name for column in self.dense]

    @property
    def sparse_names(self) -> list[str]:
        return [column.name for column in self.sparse]


def write_schema(schema: Schema, path: Path) -> None:
    """Write schema.json."""
    tree = asdict(schema)
    _drop_empty(tree, Schema)
    for split in tree["splits"].values():
        _drop_empty(split, Split)
    write_json(path, tree)


def _drop_empty(tree: dict[str, Any], kind: Any) -> None:
    """Leave out what is empty by default: files of older data keep their bytes."""
    for each in fields(kind):
        if not tree[each.name] and (
            each.default is not MISSING or each.default_factory is not MISSING
        ):
            del tree[each.name]


def load_schema(path: Path) -> Schema:
    """Read schema.json; raises DataError if it is missing, damaged or of another format."""
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"the schema {path} can't be read: {error}",
            where=path,
            next_step="dvc repro preprocess, or dvc checkout",
        ) from error
    found = tree.get("format") if isinstance(tree, dict) else None
    if found != FORMAT:
        raise DataError(
            f"the schema {path} has another format",
            where=path,
            got=found,
            expected=FORMAT,
            next_step="dvc repro --force preprocess",
        )
    errors: list[str] = []
    schema = bind(Schema, tree, "", errors)
    if errors:
        raise DataError(
            f"the schema {path} is damaged: {'; '.join(errors)}",
            where=path,
            next_step="dvc repro --force preprocess",
        )
    return schema  # type: ignore[no-any-return]


def schema_hash(path: Path) -> str:
    """Identity of the encoding that a model was trained on.

    This is the sha256 of schema.json, which itself contains the sha256 of the vocabularies.
    """
    return sha256(path)
