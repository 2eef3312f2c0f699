"""Raw files to processed splits: labels, encoding, scaling and schema, streaming in Polars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from emm.core.errors import DataError, ParamsError
from emm.core.files import sha256
from emm.core.process import keep_freed_memory
from emm.data.datasets.dataset import Dataset
from emm.data.prepare.bags import WrittenBags, number_bags, write_bags
from emm.data.prepare.encode import (
    describe_sparse,
    encode_sparse,
    fit_dense,
    fit_vocabularies,
    scale_dense,
)
from emm.data.prepare.ingest import Wanted, ingest, wanted_of
from emm.data.prepare.sample import Sample, sampled
from emm.data.prepare.split import assign
from emm.data.reading.chunks import Reading
from emm.data.reading.rejected import Rejected
from emm.data.tables import schema as contract
from emm.data.tables.schema import BAG, BAGS, BINARY, WEIGHT, DenseColumn, Target, label_column

VOCABULARIES = "vocabularies.parquet"
ROW_GROUP = 262_144  # rows; what streamed training reads at a time

Splits = Mapping[str, pl.LazyFrame]


def preprocess(
    dataset: Dataset,
    raw: Path,
    out: Path,
    *,
    tasks: Sequence[str],
    seed: int,
    rare_below: int,
    rejected: Path,
    max_rejected: float = 0.0,
    sample: Sample | None = None,
    bags: bool = False,
    funnel: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> None:
    """Write train, validation and test.parquet, vocabularies.parquet and schema.json to ``out``.

    With ``bags`` whole bags of multi-valued fields too, in bags.parquet, which is empty otherwise.
    ``funnel``: two binary tasks, the second of which happens only after the first; ``keep``:
    columns that are written beside the features as they are.

    Vocabularies and statistics come from train alone. Lines that can't be used are listed in the
    file ``rejected``; DataError if they are more than the share ``max_rejected``. What is held in
    memory grows with the number of distinct values, and by a few bytes a row.
    """
    if bags and not dataset.bags:
        raise DataError(
            f"{dataset.name} has no multi-valued fields",
            where="preprocess.bags in the dataset's data.yaml",
            next_step="set it to false",
        )
    _check_funnel(dataset, funnel)
    keep_freed_memory()
    with TemporaryDirectory(dir=out) as folder:
        scratch = Path(folder)
        reading = Reading(raw, Rejected(dataset.name, max_rejected), scratch / "reading", bags)
        wanted = wanted_of(dataset, tasks, [*_others(dataset, sample, bags=bags), *keep])
        _check_kept(wanted, keep)
        parts = _read(dataset, reading, wanted, scratch / "parts", rejected)
        if sample:
            parts = sampled(parts, sample, seed)
        binary = [label_column(task) for task in tasks if dataset.tasks[task].kind == BINARY]
        splits = assign(dataset.split, parts, binary, seed)
        if not bags:
            write_splits(dataset, splits, wanted, out, rare_below, funnel=funnel, keep=keep)
            pl.DataFrame().write_parquet(out / BAGS)
            return
        splits, found = number_bags(dataset, reading, splits)
        written = write_bags(found, dataset.bags, rare_below, out, scratch)
        write_splits(dataset, splits, wanted, out, rare_below, written, funnel=funnel, keep=keep)


def _check_funnel(dataset: Dataset, funnel: Sequence[str]) -> None:
    others = [step for step in funnel if dataset.tasks[step].kind != BINARY]
    if others:
        raise ParamsError(
            f"the funnel's step {others[0]!r} is no binary task",
            where="preprocess.funnel in the dataset's data.yaml",
            got=dataset.tasks[others[0]].kind,
            next_step="name two binary tasks, such as a click and the purchase after it",
        )


def _check_kept(wanted: Wanted, keep: Sequence[str]) -> None:
    dense = [name for name in keep if name in wanted.dense]
    if dense:
        raise ParamsError(
            f"the column {dense[0]!r} can't stay as it is: it is a dense feature",
            where="preprocess.keep in the dataset's data.yaml",
            next_step="leave it out there, or make it a sparse column of your table, or drop it",
        )


def _others(dataset: Dataset, sample: Sample | None, *, bags: bool) -> list[str | None]:
    own = dataset.bags if dataset.read_bags is None else [dataset.bag_key]
    return [sample.key if sample else None, *(own if bags else ())]


def _read(
    dataset: Dataset, reading: Reading, wanted: Wanted, folder: Path, record: Path
) -> dict[str, pl.LazyFrame]:
    folder.mkdir()
    reading.scratch.mkdir()
    try:
        parts = ingest(dataset, reading, wanted, folder)
    finally:
        # The record is there for who looks for the reason of an error, too.
        reading.rejected.write(record)
    reading.rejected.check(record)
    return parts


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
    """Fit on train, then encode and write every split and its description."""
    train = splits["train"]
    vocabularies = fit_vocabularies(train, wanted.sparse, rare_below)
    statistics, targets = fit_dense(train, wanted.dense), _fit_targets(train, wanted)
    kept = tuple(dict.fromkeys(n for n in keep if n not in (*wanted.sparse, dataset.key)))
    columns = [
        *_columns(dataset, wanted, statistics, targets, pointing=bags is not None),
        *map(pl.col, kept),
    ]
    every = [vocabularies, bags.vocabularies] if bags else [vocabularies]
    pl.concat(every).write_parquet(out / VOCABULARIES)
    for split, rows in splits.items():
        encoded = encode_sparse(rows, vocabularies, wanted.sparse).select(columns)
        encoded.sink_parquet(out / f"{split}.parquet", row_group_size=ROW_GROUP)
    kinds = {name: task.kind for name, task in wanted.tasks.items()}
    schema = contract.Schema(
        format=contract.FORMAT,
        dataset=dataset.name,
        title=dataset.source.title,
        licence=dataset.source.licence,
        origin=dataset.source.homepage,
        tasks=tuple(wanted.tasks),
        key=dataset.key,
        weight=dataset.weight,
        dense=statistics,
        sparse=describe_sparse(vocabularies, wanted.sparse),
        splits={split: _count(out / f"{split}.parquet", kinds) for split in contract.SPLITS},
        vocabularies={"file": VOCABULARIES, "sha256": sha256(out / VOCABULARIES)},
        kinds=kinds if targets else {},
        targets=targets,
        bags=bags.columns if bags else (),
        funnel=tuple(funnel),
        kept=kept,
    )
    contract.write_schema(schema, out / "schema.json")


def _columns(
    dataset: Dataset,
    wanted: Wanted,
    statistics: Sequence[DenseColumn],
    targets: Mapping[str, Target],
    *,
    pointing: bool,
) -> list[pl.Expr]:
    """The processed columns of rows with encoded sparse ones; with ``pointing``, at bags too."""
    key = dataset.key if dataset.key not in wanted.sparse else None
    return [
        *scale_dense(statistics),
        *(pl.col(name) for name in wanted.sparse),
        *([pl.col(BAG)] if pointing else []),
        *(_label(task, targets.get(task)) for task in wanted.tasks),
        *([pl.col(key)] if key else []),
        *([pl.col(WEIGHT)] if dataset.weight else []),
    ]


def _fit_targets(train: pl.LazyFrame, wanted: Wanted) -> dict[str, Target]:
    """Mean and standard deviation of the regression tasks' labels; 1 for a constant label."""
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
        # Rounded: the order of a parallel sum is not fixed.
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
