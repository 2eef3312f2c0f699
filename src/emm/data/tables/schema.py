"""schema.json: what the processed columns are, where they come from, and what was counted."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emm.config.binding import bind
from emm.core.errors import DataError
from emm.core.files import sha256, write_json

FORMAT = 2
SPLITS = ("train", "validation", "test")
BINARY, REGRESSION = "binary", "regression"

WEIGHT = "weight"
"""Name of the processed column that weighs a row in the training loss, where a dataset has one."""

BAGS = "bags.parquet"
BAG = "bag"
"""Name of the processed column that says which row of the file BAGS holds a row's bags."""


def label_column(task: str) -> str:
    """Name of a task's label among the processed columns."""
    return f"label:{task}"


@dataclass(frozen=True)
class DenseColumn:
    """Statistics over train, in the column's own units.

    ``quantiles`` are distinct and rising: of all rows, and of those that don't hold the column's
    most frequent value, as many amounts are zero in nearly every row.
    The stored values are (x - minimum) / (maximum - minimum), 0 for a constant column, and the
    train mean in place of a missing value.
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
        """A value in the column's own units as it is stored."""
        width = 1.0 if self.constant else self.maximum - self.minimum
        return (value - self.minimum) / width


@dataclass(frozen=True)
class SparseColumn:
    """``cardinality`` counts the ids, 0 included; ``rare``: values that became 0."""

    name: str
    cardinality: int
    rare: int
    constant: bool


@dataclass(frozen=True)
class BagColumn:
    """A multi-valued sparse field: ``items`` in all bags together, ids as in `SparseColumn`."""

    name: str
    cardinality: int
    rare: int
    items: int


@dataclass(frozen=True)
class Target:
    """Mean and standard deviation over train of a regression task, in its own units.

    The stored label is (y - mean) / std.
    """

    mean: float
    std: float


@dataclass(frozen=True)
class Split:
    """Rows of a split, the share of positive labels of each binary task, and the mean of the
    stored labels of each regression task."""

    rows: int
    positive_rate: Mapping[str, float]
    mean: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """The contract between preprocessing and everything that reads processed data.

    ``kinds`` names the kind of each task where not all are binary, ``targets`` the regression ones;
    ``funnel``: the two tasks, if any, of which the second happens only after the first; ``kept``:
    columns that stand beside the features as they were. What is empty of these and of ``bags``
    isn't in the file.
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
    bags: tuple[BagColumn, ...] = ()
    funnel: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def kind(self, task: str) -> str:
        """Kind of a task: binary or regression."""
        return self.kinds.get(task, BINARY)

    @property
    def regressions(self) -> tuple[str, ...]:
        """The regression tasks."""
        return tuple(task for task in self.tasks if self.kind(task) == REGRESSION)

    @property
    def task_kinds(self) -> tuple[str, ...]:
        """Kinds of all tasks in their order; () if all are binary."""
        return tuple(map(self.kind, self.tasks)) if self.kinds else ()

    @property
    def steps(self) -> tuple[int, ...]:
        """Numbers of the funnel's tasks, () without one."""
        return tuple(map(self.tasks.index, self.funnel))

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of ids of each sparse field, 0 included."""
        return tuple(column.cardinality for column in self.sparse)

    @property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """Each dense column's quantiles as the stored values have them."""
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
    for key in ("kinds", "targets", "bags", "funnel", "kept"):
        if not tree[key]:
            del tree[key]
    for split in tree["splits"].values():
        if not split["mean"]:
            del split["mean"]
    write_json(path, tree)


def load_schema(path: Path) -> Schema:
    """Read schema.json; raises DataError if it is absent, damaged or of another format."""
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
    """Identity of the encoding a model was trained on: the sha256 of schema.json, which itself
    names the sha256 of the vocabularies."""
    return sha256(path)
