"""Encode the splits and write them with their vocabularies and schema."""

from collections.abc import Sequence
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
from emm.data.prepare.labels import FittedLabels, count_splits, encode_label, fit_labels
from emm.data.tables import schema as contract
from emm.data.tables.names import BAG, WEIGHT, original_name
from emm.data.tables.schema import BINARY, DenseColumn

VOCABULARIES = "vocabularies.parquet"
ROW_GROUP = 262_144  # rows; about what streamed training reads at a time


class _Fitted(NamedTuple):
    """Vocabularies and statistics of train."""

    vocabularies: pl.DataFrame
    dense: tuple[DenseColumn, ...]
    labels: FittedLabels


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
        fit_labels(splits, wanted.tasks),
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
    paths = {split: out / f"{split}.parquet" for split in contract.SPLITS}
    classes = fitted.labels.classes
    return contract.Schema(
        format=contract.FORMAT,
        dataset=dataset.name,
        title=dataset.source.title,
        licence=dataset.source.licence,
        origin=dataset.source.homepage,
        tasks=tuple(wanted.tasks),
        key=dataset.key,
        weight=original_name(dataset.weight) if dataset.weight else None,
        dense=fitted.dense,
        sparse=describe_sparse(fitted.vocabularies, wanted.sparse),
        splits=count_splits(paths, wanted.tasks, classes),
        vocabularies={"file": VOCABULARIES, "sha256": sha256(out / VOCABULARIES)},
        kinds=kinds if {*kinds.values()} != {BINARY} else {},
        targets=fitted.labels.targets,
        classes=classes,
        inferred=dataset.inferred,
        **optional,
    )


def _columns(dataset: Dataset, wanted: Wanted, fitted: _Fitted, *, with_bag: bool) -> list[pl.Expr]:
    """Expressions of the processed columns, for rows with encoded sparse columns."""
    key = dataset.key if dataset.key not in wanted.sparse else None
    return [
        *scale_dense(fitted.dense),
        *(pl.col(name) for name in wanted.sparse),
        *([pl.col(BAG)] if with_bag else []),
        *(encode_label(task, fitted.labels) for task in wanted.tasks),
        *([pl.col(key)] if key else []),
        *([pl.col(WEIGHT)] if dataset.weight else []),
    ]
