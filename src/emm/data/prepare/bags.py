"""Bags: all ids of multi-valued sparse fields.

The column ``bag`` of a split's rows refers to a row of bags.parquet, which has a list of ids for
every multi-valued field. The bags of a user, which can be long, are thus stored once, not once per
row.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from emm.data.datasets.dataset import Dataset
from emm.data.prepare.encode import describe_sparse, encode_sparse, fit_vocabularies
from emm.data.reading.chunks import Reading
from emm.data.tables.names import BAG, BAGS
from emm.data.tables.schema import SPLITS, BagColumn

_OWNER = "__owner"

Splits = Mapping[str, pl.LazyFrame]


class WrittenBags(NamedTuple):
    """Description of the bags: their fields and vocabularies."""

    columns: tuple[BagColumn, ...]
    vocabularies: pl.DataFrame


def number_bags(
    dataset: Dataset, reading: Reading, splits: Splits
) -> tuple[dict[str, pl.LazyFrame], Splits]:
    """Add the column ``bag`` to the splits; also return the bags of all rows and of train.

    Rows of bags are numbered in order; those of train may be in any order. If the dataset has a
    ``bag_key``, rows without bags refer to an empty bag after all others.
    """
    if dataset.read_bags is None:
        return _number_rows(dataset.bags, splits)
    key = dataset.bag_key or ""
    names = [key, *dataset.bags]
    folder = reading.scratch / "bags"
    folder.mkdir()
    for part in dataset.parts:
        for number, chunk in enumerate(dataset.read_bags(reading, part)):
            rows = chunk.rows.select(names)
            rows.write_parquet(folder / f"{part}-{number:06}.parquet", compression="lz4")
    owners = pl.scan_parquet(folder / "*.parquet")
    numbered = owners.select(key).with_row_index(BAG).unique(key, keep="first")
    count = int(owners.select(pl.len()).collect().item())
    bag = pl.col(BAG).fill_null(count).cast(pl.Int32)
    with_bag = {
        name: rows.join(numbered, on=key, how="left", maintain_order="left").with_columns(bag)
        for name, rows in splits.items()
    }
    types = owners.select(dataset.bags).collect_schema()
    empty = pl.LazyFrame({name: [[]] for name in dataset.bags}, schema=types)
    every = pl.concat([owners.select(dataset.bags), empty])
    train = owners.join(splits["train"].select(key).unique(), on=key, how="semi")
    return with_bag, {"all": every, "train": train.select(dataset.bags)}


def _number_rows(names: Sequence[str], splits: Splits) -> tuple[dict[str, pl.LazyFrame], Splits]:
    """Number bags that are list columns of the rows: every row has its own bags."""
    with_bag, start = {}, 0
    for name in SPLITS:
        index = pl.int_range(start, pl.len() + start, dtype=pl.Int32).alias(BAG)
        with_bag[name] = splits[name].with_columns(index)
        start += int(splits[name].select(pl.len()).collect().item())
    every = pl.concat([splits[name].select(names) for name in SPLITS])
    return with_bag, {"all": every, "train": splits["train"].select(names)}


def write_bags(
    bags: Splits, names: Sequence[str], rare_below: int, out: Path, scratch: Path
) -> WrittenBags:
    """Fit vocabularies on the bags of train, then encode all bags and write them to ``out``.

    Unknown and rare items are removed from their bags.
    """
    fitted = [
        fit_vocabularies(bags["train"].select(pl.col(name).explode()), [name], rare_below)
        for name in names
    ]
    vocabularies = pl.concat(fitted)
    folder = scratch / "encoded"
    folder.mkdir()
    items = dict.fromkeys(names, 0)
    for number, frame in enumerate(_batches(bags["all"])):
        encoded = frame.select(encode_lists(frame[name], vocabularies) for name in names)
        for name in names:
            items[name] += int(encoded[name].list.len().sum())
        encoded.write_parquet(folder / f"{number:06}.parquet", compression="lz4")
    pl.scan_parquet(folder / "*.parquet").sink_parquet(out / BAGS)
    columns = tuple(
        BagColumn(column.name, column.cardinality, column.rare, items[column.name])
        for column in describe_sparse(vocabularies, names)
    )
    return WrittenBags(columns, vocabularies)


def _batches(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    yield from rows.collect_batches(maintain_order=True, chunk_size=20_000)


def encode_lists(lists: pl.Series, vocabularies: pl.DataFrame) -> pl.Series:
    """Encode lists of items as lists of ids in the same order."""
    name = lists.name
    owners = pl.DataFrame([lists]).with_row_index(_OWNER)
    items = owners.lazy().explode(name)
    known = encode_sparse(items, vocabularies, [name]).filter(pl.col(name) > 0)
    grouped = known.group_by(_OWNER).agg(pl.col(name))
    found = owners.lazy().select(_OWNER).join(grouped, on=_OWNER, how="left", maintain_order="left")
    return found.select(pl.col(name).fill_null([])).collect()[name]
