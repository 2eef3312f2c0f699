"""Preprocess raw files to encoded splits and their schema, streaming in Polars."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from emm.core.errors import DataError, ParamsError
from emm.core.process import keep_freed_memory
from emm.data.datasets.dataset import Dataset
from emm.data.prepare.about_train import with_train
from emm.data.prepare.bags import Splits, WrittenBags, number_bags, write_bags
from emm.data.prepare.groups import write_groups
from emm.data.prepare.ingest import Wanted, ingest, wanted_of
from emm.data.prepare.raw import RawColumns
from emm.data.prepare.sample import Sample, sampled
from emm.data.prepare.split import assign
from emm.data.prepare.write import ROW_GROUP, write_splits
from emm.data.reading.chunks import Reading
from emm.data.reading.rejected import Rejected
from emm.data.tables.inputs import INPUTS, inputs_of_kinds, write_inputs
from emm.data.tables.kinds import RAW
from emm.data.tables.names import BAGS, label_column, original_name, stored_name
from emm.data.tables.schema import BINARY, CLASSES, load_schema


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
    weight: str | None = None,
    raw_columns: Sequence[str] = (),
) -> None:
    """Write train, validation, test, vocabularies, bags and groups.parquet, schema.json and raw/ to
    ``out``.

    Vocabularies and statistics are those of train. Memory grows with the number of distinct
    values, and by a few bytes per row.

    Args:
        rare_below: sparse values with fewer rows in train are encoded as 0.
        rejected: file for the list of rejected lines, at most the share ``max_rejected`` of all.
        sample: use a sample of the rows.
        bags: write the bags of multi-valued fields; otherwise bags.parquet is empty.
        funnel: two binary tasks, the second of which happens only after the first.
        keep: columns to write unencoded next to the features.
        weight: column with the weights of the rows, in place of the dataset's.
        raw_columns: columns to keep as they are in the raw files, in raw/.

    All columns are named as in the raw files.
    """
    dataset = replace(dataset, weight=stored_name(weight)) if weight else dataset
    sample = replace(sample, key=stored_name(sample.key)) if sample and sample.key else sample
    keep = tuple(map(stored_name, keep))
    _check_bags(dataset, bags=bags)
    _check_funnel(dataset, funnel)
    keep_freed_memory()
    with TemporaryDirectory(dir=out) as folder:
        scratch = Path(folder)
        reading = Reading(raw, Rejected(dataset.name, max_rejected), scratch / "reading", bags)
        revealing = [column for task in tasks for column in dataset.tasks[task].made_from]
        kept = RawColumns(dataset, raw_columns, revealing)
        others = [*_others(dataset, sample, bags=bags), *keep, *kept.stored]
        wanted = wanted_of(dataset, tasks, others)
        _check_kept(wanted, keep)
        parts = _read(dataset, reading, wanted, scratch / "parts", rejected, kept)
        splits = _assign(dataset, parts, tasks, sample, seed)
        splits, written = _write_bags(dataset, reading, splits, out, rare_below)
        write_splits(dataset, splits, wanted, out, rare_below, written, funnel=funnel, keep=keep)
        schema = load_schema(out / "schema.json")
        write_groups(dataset.split, splits["train"], schema, out)
        kept.write(splits, out, ROW_GROUP)
        inputs = dataset.inputs or inputs_of_kinds(schema, kept.kinds)
        write_inputs(with_train(inputs, out, schema), out / RAW / INPUTS)


def _check_bags(dataset: Dataset, *, bags: bool) -> None:
    if bags and not dataset.bags:
        raise DataError(
            f"{dataset.name} has no multi-valued fields",
            where="preprocess.bags in the dataset's data.yaml",
            next_step="set it to false",
        )


def _check_funnel(dataset: Dataset, funnel: Sequence[str]) -> None:
    others = [step for step in funnel if dataset.tasks[step].kind != BINARY]
    if others:
        raise ParamsError(
            f"the funnel's step {others[0]!r} isn't a binary task",
            where="preprocess.funnel in the dataset's data.yaml",
            got=dataset.tasks[others[0]].kind,
            next_step="name two binary tasks, such as a click and the purchase after it",
        )


def _check_kept(wanted: Wanted, keep: Sequence[str]) -> None:
    dense = [original_name(name) for name in keep if name in wanted.dense]
    if dense:
        raise ParamsError(
            f"the column {dense[0]!r} can't be kept unencoded: it is a dense feature",
            where="preprocess.keep in the dataset's data.yaml",
            next_step="remove it there, or make it a sparse or dropped column of custom data",
        )


def _others(dataset: Dataset, sample: Sample | None, *, bags: bool) -> list[str | None]:
    bag_columns = dataset.bags if dataset.read_bags is None else [dataset.bag_key]
    return [sample.key if sample else None, *(bag_columns if bags else ())]


def _read(
    dataset: Dataset,
    reading: Reading,
    wanted: Wanted,
    folder: Path,
    record: Path,
    kept: RawColumns,
) -> dict[str, pl.LazyFrame]:
    folder.mkdir()
    reading.scratch.mkdir()
    try:
        parts = ingest(dataset, reading, wanted, folder, kept.see)
    finally:
        # Written even after an error, whose cause it may show.
        reading.rejected.write(record)
    reading.rejected.check(record)
    return parts


def _assign(
    dataset: Dataset,
    parts: dict[str, pl.LazyFrame],
    tasks: Sequence[str],
    sample: Sample | None,
    seed: int,
) -> Splits:
    if sample:
        parts = sampled(parts, sample, seed)
    return assign(
        dataset.split, parts, [_stratum(task, dataset.tasks[task].kind) for task in tasks], seed
    )


def _stratum(task: str, kind: str) -> pl.Expr:
    """The stratum of each row by the label of one task; a missing label has one of its own."""
    label = pl.col(label_column(task))
    if kind == BINARY:
        return label.fill_null(2)
    return label.rank("dense").fill_null(0) if kind == CLASSES else label.is_null().cast(pl.UInt8)


def _write_bags(
    dataset: Dataset, reading: Reading, splits: Splits, out: Path, rare_below: int
) -> tuple[Splits, WrittenBags | None]:
    """Write bags.parquet, empty unless bags are read; return the splits that refer to it."""
    if not reading.bags:
        pl.DataFrame().write_parquet(out / BAGS)
        return splits, None
    splits, bags = number_bags(dataset, reading, splits)
    return splits, write_bags(bags, dataset.bags, rare_below, out, reading.scratch)
