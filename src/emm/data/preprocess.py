"""Raw files to processed splits: labels, encoding, scaling and schema, lazily in Polars."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from emm.core.errors import DataError
from emm.core.files import sha256
from emm.data import schema as contract
from emm.data.dataset import Dataset, Task
from emm.data.encode import (
    describe_sparse,
    encode_sparse,
    fit_dense,
    fit_vocabularies,
    scale_dense,
)
from emm.data.schema import WEIGHT, label_column
from emm.data.split import stratified_half

VOCABULARIES = "vocabularies.parquet"
_LINE = "__line"


@dataclass(frozen=True)
class Parts:
    """The three splits with raw feature values and finished labels."""

    train: pl.LazyFrame
    validation: pl.LazyFrame
    test: pl.LazyFrame

    def items(self) -> Iterable[tuple[str, pl.LazyFrame]]:
        return (("train", self.train), ("validation", self.validation), ("test", self.test))


def preprocess(
    dataset: Dataset, raw: Path, out: Path, *, tasks: Sequence[str], seed: int, rare_below: int
) -> None:
    """Write train, validation and test.parquet, vocabularies.parquet and schema.json to ``out``.

    Vocabularies and statistics come from train alone; validation and test are halves of the
    official test part, stratified on all labels together. Raises DataError on rows that can't be
    read or labelled.
    """
    chosen = {name: dataset.tasks[name] for name in tasks}
    parts = split_official(dataset, raw, chosen, seed)
    sparse = _features(dataset.sparse, chosen)
    dense = _features(dataset.dense, chosen)
    vocabularies = fit_vocabularies(parts.train, sparse, rare_below)
    statistics = fit_dense(parts.train, dense)
    key = [pl.col(dataset.key)] if dataset.key else []
    weight = [pl.col(dataset.weight).cast(pl.Float32).alias(WEIGHT)] if dataset.weight else []
    columns = [
        *scale_dense(statistics),
        *encode_sparse(vocabularies, sparse),
        *(pl.col(label_column(task)) for task in tasks),
        *key,
        *weight,
    ]
    vocabularies.write_parquet(out / VOCABULARIES)
    for split, rows in parts.items():
        rows.select(columns).sink_parquet(out / f"{split}.parquet")
    schema = contract.Schema(
        format=contract.FORMAT,
        dataset=dataset.name,
        title=dataset.source.title,
        licence=dataset.source.licence,
        origin=dataset.source.homepage,
        tasks=tuple(tasks),
        key=dataset.key,
        weight=dataset.weight,
        dense=statistics,
        sparse=describe_sparse(vocabularies, sparse),
        splits={split: _count(out / f"{split}.parquet", tasks) for split in contract.SPLITS},
        vocabularies={"file": VOCABULARIES, "sha256": sha256(out / VOCABULARIES)},
    )
    contract.write_schema(schema, out / "schema.json")


def split_official(dataset: Dataset, raw: Path, tasks: Mapping[str, Task], seed: int) -> Parts:
    """Official train as it is, official test in two halves, seeded and stratified."""
    train = _labelled(dataset, raw, "train", tasks)
    held_out = _labelled(dataset, raw, "test", tasks)
    labels = held_out.select(label_column(task) for task in tasks).collect()
    mask = pl.Series("__validation", stratified_half(labels.to_numpy(), seed))
    marked = held_out.with_columns(mask)
    return Parts(train, marked.filter("__validation"), marked.filter(~pl.col("__validation")))


def _features(columns: Sequence[str], tasks: Mapping[str, Task]) -> tuple[str, ...]:
    revealing = {column for task in tasks.values() for column in task.made_from}
    return tuple(column for column in columns if column not in revealing)


def _labelled(dataset: Dataset, raw: Path, part: str, tasks: Mapping[str, Task]) -> pl.LazyFrame:
    """Rows with number-valued dense columns and one uint8 label column a task."""
    text = dataset.read(raw, part)
    numbers = [pl.col(name).cast(pl.Float64, strict=False) for name in dataset.dense]
    labels = {label_column(name): task.label for name, task in tasks.items()}
    _reject_unreadable(dataset, text, part, labels)
    return text.with_columns(
        *numbers, **{name: label.cast(pl.UInt8) for name, label in labels.items()}
    )


def _reject_unreadable(
    dataset: Dataset, text: pl.LazyFrame, part: str, labels: Mapping[str, pl.Expr]
) -> None:
    """One pass over the raw rows; raises DataError that names the first line that doesn't fit."""
    faults = {
        **{
            f"the column {name!r} isn't a number": pl.col(name).is_not_null()
            & pl.col(name).cast(pl.Float64, strict=False).is_null()
            for name in dataset.dense
        },
        **{
            f"{name.replace(':', ' ')!r} has no known value": e.is_null()
            for name, e in labels.items()
        },
    }
    if dataset.weight:
        weight = pl.col(dataset.weight).cast(pl.Float64, strict=False)
        usable = (weight.is_finite() & (weight > 0)).fill_null(value=False)
        faults[f"the weight {dataset.weight!r} isn't a number above 0"] = ~usable
    rows = text.with_row_index(_LINE, offset=1)
    found = (
        rows.select(
            pl.col(_LINE).filter(fault).first().alias(what) for what, fault in faults.items()
        )
        .collect()
        .row(0, named=True)
    )
    bad = {what: line for what, line in found.items() if line is not None}
    if bad:
        what, line = min(bad.items(), key=lambda item: item[1])
        raise DataError(
            f"{dataset.name}: {what}",
            where=f"the {part} part, line {line}",
            got=text.slice(line - 1, 1).collect().row(0),
            next_step="check the raw file, then `dvc repro`",
        )


def _count(path: Path, tasks: Sequence[str]) -> contract.Split:
    row = (
        pl.scan_parquet(path)
        .select(pl.len().alias("rows"), *(pl.col(label_column(t)).mean() for t in tasks))
        .collect()
        .row(0, named=True)
    )
    rates = {task: float(row[label_column(task)] or 0.0) for task in tasks}
    return contract.Split(rows=row["rows"], positive_rate=rates)
