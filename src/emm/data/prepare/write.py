"""Encode the splits and write them with their vocabularies and schema."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from emm.core.files import sha256
from emm.data.datasets.dataset import Dataset
from emm.data.prepare.bags import Splits, WrittenBags
from emm.data.prepare.encode import (
    describe_sparse,
    encode_sparse,
    fit_dense,
    fit_vocabularies,
    scale_dense,
)
from emm.data.prepare.ingest import Wanted
from emm.data.tables import schema as contract
from emm.data.tables.schema import BAG, BINARY, WEIGHT, DenseColumn, Target, label_column

VOCABULARIES = "vocabularies.parquet"
ROW_GROUP = 262_144  # rows; about what streamed training reads at a time


class _Fitted(NamedTuple):
    """Vocabularies and statistics of train."""

    vocabularies: pl.DataFrame
    dense: tuple[DenseColumn, ...]
    targets: Mapping[str, Target]


def write_splits(
    dataset: Dataset,
    splits: Splits,
    wanted: Wanted,
    out: Path,
    rare_below: int,
    bags: WrittenBags | None = None,
    *,
    funnel: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> None:
    """Fit on train, then encode and write the splits, the vocabularies and the schema."""
    train = splits["train"]
    fitted = _Fitted(
        fit_vocabularies(train, wanted.sparse, rare_below),
        fit_dense(train, wanted.dense),
        _fit_targets(train, wanted),
    )
    kept = tuple(dict.fromkeys(n for n in keep if n not in (*wanted.sparse, dataset.key)))
    columns = [
        *_columns(dataset, wanted, fitted, with_bag=bags is not None),
        *map(pl.col, kept),
    ]
    every = [fitted.vocabularies, bags.vocabularies] if bags else [fitted.vocabularies]
    pl.concat(every).write_parquet(out / VOCABULARIES)
    for split, rows in splits.items():
        encoded = encode_sparse(rows, fitted.vocabularies, wanted.sparse).select(columns)
        encoded.sink_parquet(out / f"{split}.parquet", row_group_size=ROW_GROUP)
    fields = bags.columns if bags else ()
    schema = _schema(dataset, wanted, fitted, out, bags=fields, funnel=tuple(funnel), kept=kept)
    contract.write_schema(schema, out / "schema.json")


def _schema(
    dataset: Dataset, wanted: Wanted, fitted: _Fitted, out: Path, **optional: Any
) -> contract.Schema:
    """The schema of the splits and vocabularies in ``out``."""
    kinds = {name: task.kind for name, task in wanted.tasks.items()}
    return contract.Schema(
        format=contract.FORMAT,
        dataset=dataset.name,
        title=dataset.source.title,
        licence=dataset.source.licence,
        origin=dataset.source.homepage,
        tasks=tuple(wanted.tasks),
        key=dataset.key,
        weight=dataset.weight,
        dense=fitted.dense,
        sparse=describe_sparse(fitted.vocabularies, wanted.sparse),
        splits={split: _count(out / f"{split}.parquet", kinds) for split in contract.SPLITS},
        vocabularies={"file": VOCABULARIES, "sha256": sha256(out / VOCABULARIES)},
        kinds=kinds if fitted.targets else {},
        targets=fitted.targets,
        **optional,
    )


def _columns(dataset: Dataset, wanted: Wanted, fitted: _Fitted, *, with_bag: bool) -> list[pl.Expr]:
    """Expressions of the processed columns, for rows with encoded sparse columns."""
    key = dataset.key if dataset.key not in wanted.sparse else None
    return [
        *scale_dense(fitted.dense),
        *(pl.col(name) for name in wanted.sparse),
        *([pl.col(BAG)] if with_bag else []),
        *(_label(task, fitted.targets.get(task)) for task in wanted.tasks),
        *([pl.col(key)] if key else []),
        *([pl.col(WEIGHT)] if dataset.weight else []),
    ]


def _fit_targets(train: pl.LazyFrame, wanted: Wanted) -> dict[str, Target]:
    """Compute mean and standard deviation of regression labels; std is 1 for a constant label."""
    names = [name for name, task in wanted.tasks.items() if task.kind != BINARY]
    if not names:
        return {}
    columns = {name: pl.col(label_column(name)) for name in names}
    found = train.select(
        *(value.mean().alias(f"mean:{name}") for name, value in columns.items()),
        *(value.std(ddof=0).alias(f"std:{name}") for name, value in columns.items()),
    ).collect(engine="streaming")
    row = found.row(0, named=True)
    return {
        # Rounded, because parallel sums differ in their last bits between runs.
        name: Target(float(f"{row[f'mean:{name}']:.10g}"), float(f"{row[f'std:{name}']:.10g}") or 1)
        for name in names
    }


def _label(task: str, target: Target | None) -> pl.Expr:
    label = pl.col(label_column(task))
    return label if target is None else ((label - target.mean) / target.std).cast(pl.Float32)


def _count(path: Path, kinds: Mapping[str, str]) -> contract.Split:
    row = (
        pl.scan_parquet(path)
        .select(pl.len().alias("rows"), *(pl.col(label_column(t)).mean() for t in kinds))
        .collect()
        .row(0, named=True)
    )
    means = {task: float(row[label_column(task)] or 0.0) for task in kinds}
    rates = {task: mean for task, mean in means.items() if kinds[task] == BINARY}
    others = {task: float(f"{means[task]:.10g}") for task in kinds if task not in rates}
    return contract.Split(rows=row["rows"], positive_rate=rates, mean=others)
