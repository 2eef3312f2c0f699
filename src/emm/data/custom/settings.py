"""The section `custom`: CSV or Parquet files of your own, their columns, tasks and split."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from emm.config.binding import raise_all
from emm.config.project import ConfigFile
from emm.core.errors import nearest
from emm.data.custom.tasks import CustomTask, bind_task
from emm.data.datasets.source import unpacked_name

_PARTS = ("train", "validation", "test")
_NULLS = ("NULL", "null", "Null")


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


def _values(value: Any) -> Any:
    return (value,) if isinstance(value, int | float) else _listed(value)


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A list of names; a single name is a list of one."""


@dataclass(frozen=True)
class SplitSettings:
    """How rows are assigned to train, validation and test.

    Attributes:
        by: time (the last rows), key (all rows of a key together), column (by its values), random,
            or file (train and test have files of their own).
        column: the column of the time, the key or the values.
        validation: the share of validation; with ``by: column`` its value or values.
        test: the same for test.
    """

    by: Literal["time", "key", "column", "random", "file"]
    column: str | None = None
    validation: Any = None
    test: Any = None

    def values(self, part: str) -> tuple[str, ...]:
        """The values of the column that mark a split, such as test."""
        values = getattr(self, part)
        return tuple(map(str, values if isinstance(values, list | tuple) else [values]))

    def share(self, part: str) -> float:
        return float(getattr(self, part) or 0.0)


@dataclass(frozen=True)
class CustomDataSettings:
    """Custom data: files, columns, tasks and split.

    Attributes:
        tasks: for each task a column or an SQL expression, or the keys of `CustomTask`.
        files: names or globs; by default all CSV or all Parquet files of the folder.
        train: in place of ``files``, those of train, with ``test`` and perhaps ``validation``.
        separator: of the values in a line.
        columns: names of all columns, in order, if the files have no header.
        encoding: of text files, such as utf-16 or latin-1.
        decimal: what separates the fraction of a number, "." or ",".
        thousands: what separates groups of three digits of a number, if anything does.
        dense: numerical features; null: inferred.
        sparse: categorical features; null: inferred.
        dates: dates and times whose parts become features; null: inferred.
        bags: columns of several values, and what separates these.
        drop: columns that become no features.
        key: the column that identifies a row's user.
        weight: the column that weighs a row in the training loss.
        missing: values that stand for a missing one.
        split: how rows are assigned to the splits.
    """

    tasks: Mapping[str, Any]
    files: Names = ()
    train: Names = ()
    validation: Names = ()
    test: Names = ()
    separator: str = ","
    columns: Names = ()
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'", "_"] | None = None
    dense: Names | None = None
    sparse: Names | None = None
    dates: Names | None = None
    bags: Mapping[str, str] = field(default_factory=dict)
    drop: Names = ()
    key: str | None = None
    weight: str | None = None
    missing: Annotated[tuple[Any, ...], BeforeValidator(_values)] = ("", "NA", "NULL")
    split: SplitSettings | None = None

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The names of files by part: one part ``all``, or train, validation and test."""
        named = {part: getattr(self, part) for part in _PARTS if getattr(self, part)}
        return named or {"all": self.files}

    @property
    def patterns(self) -> tuple[str, ...]:
        """All names and globs of files; none if all files of the folder are read."""
        return tuple(pattern for patterns in self.parts.values() for pattern in patterns)

    @property
    def custom_tasks(self) -> dict[str, CustomTask]:
        """The tasks with all of their settings."""
        return {name: bind_task(task, name, []) for name, task in self.tasks.items()}

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """The values of ``missing`` as text; YAML reads a bare NULL as null."""
        texts = ([*_NULLS] if value is None else [str(value)] for value in self.missing)
        return tuple(text for each in texts for text in each)


def read_custom(data: ConfigFile, tasks: Sequence[str]) -> CustomDataSettings | None:
    """The section `custom`, None for a registered dataset; one ParamsError lists every fault."""
    custom = data.read_optional("custom", CustomDataSettings)
    if custom is not None:
        raise_all(custom_faults(custom, tasks), str(data.path))
    return custom


def custom_faults(custom: CustomDataSettings, tasks: Sequence[str]) -> list[str]:
    """What is wrong with a section that binds, and with a dataset's choice of ``tasks``."""
    errors: list[str] = []
    for name, task in custom.tasks.items():
        bind_task(task, f"custom.tasks.{name}", errors)
    errors.extend(
        f"tasks: no task is called {task!r}; {nearest(task, custom.tasks)}"
        for task in tasks
        if task not in custom.tasks
    )
    errors.extend(_file_faults("custom", custom))
    errors.extend(_split_faults("custom.split", custom))
    return errors


def _file_faults(where: str, custom: CustomDataSettings) -> Iterator[str]:
    parts = custom.parts
    if custom.files and "all" not in parts:
        yield f"{where}.files: got files and {', '.join(parts)}, expected files, or train and test"
    if "all" not in parts and ("train" not in parts or "test" not in parts):
        yield f"{where}: got only files of {', '.join(parts)}, expected those of train and test"
    names = [name for some in parts.values() for name in some]
    for name in names:
        if "/" in name or "\\" in name:
            yield f"{where}: got {name!r}, expected a name or glob; folders go into source.path"
    twice = [name for name, count in Counter(map(unpacked_name, names)).items() if count > 1]
    if twice:
        yield f"{where}: {', '.join(map(repr, twice))} is named twice; remove one of them"
    yield from _format_faults(where, custom)


def _format_faults(where: str, custom: CustomDataSettings) -> Iterator[str]:
    separator = custom.separator
    if len(separator) != 1 or separator == '"':
        yield f"{where}.separator: got {separator!r}, expected one character"
    elif not separator.isascii():
        yield f"{where}.separator: got {separator!r}, expected an ASCII character"
    twice = sorted({name for name in custom.columns if custom.columns.count(name) > 1})
    if twice:
        yield f"{where}.columns: got {', '.join(map(repr, twice))} twice, expected different names"
    if custom.thousands == custom.decimal:
        yield f"{where}.thousands: got {custom.thousands!r}, which is custom.decimal already"
    try:
        "".encode(custom.encoding)
    except (LookupError, ValueError):
        yield (
            f"{where}.encoding: got {custom.encoding!r}, expected a known encoding such as "
            "utf-8, utf-16, latin-1 or cp1252"
        )


def _split_faults(where: str, custom: CustomDataSettings) -> Iterator[str]:
    split = custom.split
    if "all" not in custom.parts:
        if split is not None and split.by != "file":
            yield f"{where}.by: got {split.by}, expected file, as each split has its files"
        elif split is not None and split.test is not None:
            yield f"{where}.test: got {split.test!r}, expected none: test has its files"
        elif split is not None and split.validation is not None:
            if "validation" in custom.parts:
                yield f"{where}.validation: got a share, expected none: validation has its files"
            else:
                yield from _share_faults(where, split, ("validation",))
    elif split is None:
        example = "{by: random, validation: 0.1, test: 0.1}"
        yield f"{where}: missing; expected how to split the rows, such as {example}"
    elif split.by == "file":
        yield f"{where}.by: got file, expected the keys train and test with their files"
    elif split.by == "column":
        yield from _column_faults(where, split)
    else:
        yield from _share_faults(where, split, ("validation", "test"))
        if split.by == "time" and split.column is None:
            yield f"{where}.column: missing; expected the column that holds the time"
        if split.by == "key" and (split.column or custom.key) is None:
            yield f"{where}.column: missing; expected the column whose values stay together"


def _column_faults(where: str, split: SplitSettings) -> Iterator[str]:
    if split.column is None:
        yield f"{where}.column: missing; expected the column whose values name the split"
    for part in ("validation", "test"):
        if getattr(split, part) in (None, [], ""):
            yield f"{where}.{part}: missing; expected values of the column"
    if set(split.values("validation")) & set(split.values("test")):
        yield f"{where}: a value marks both validation and test"


def _share_faults(where: str, split: SplitSettings, parts: Sequence[str]) -> Iterator[str]:
    shares = {part: getattr(split, part) for part in parts}
    bad = [
        part
        for part, share in shares.items()
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1
    ]
    for part in bad:
        yield f"{where}.{part}: got {shares[part]!r}, expected a share between 0 and 1"
    if not bad and sum(shares.values()) >= 1:
        yield f"{where}: validation and test take {sum(shares.values()):g}, expected less than all"
