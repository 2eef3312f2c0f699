"""What the pipeline must know of a dataset: source, columns, tasks, splits and how to read it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

import polars as pl

from emm.data.datasets.source import Source
from emm.data.datasets.split_rules import Halved, Split
from emm.data.reading.chunks import Chunk, Reading


@dataclass(frozen=True)
class Task:
    """A label: an expression over the raw columns; null where a row has none and is left out.

    A binary one gives 0 or 1, one of ``kind`` regression any number. ``made_from`` names the raw
    columns that reveal it and so may not be features.
    """

    label: pl.Expr
    made_from: tuple[str, ...]
    kind: str = "binary"


@dataclass(frozen=True)
class Dataset:
    """A dataset in one or several published ``parts``.

    ``read(reading, part)`` gives the rows of a part in file order, in chunks of bounded size.
    Sparse columns are text, or whole numbers; dense columns are numbers, or text that holds them;
    null is a missing value. ``key`` names the column that identifies a row or its user, ``weight``
    the one that says how much a row counts.

    ``bags`` names list columns, the multi-valued sparse fields, which are read if asked for. They
    stand in the rows; or ``read_bags(reading, part)`` gives them, in rows of their own, by the
    column ``bag_key`` that the rows have too.
    """

    name: str
    source: Source
    dense: tuple[str, ...]
    sparse: tuple[str, ...]
    tasks: Mapping[str, Task]
    read: Callable[[Reading, str], Iterator[Chunk]]
    parts: tuple[str, ...] = ("train", "test")
    split: Split = Halved()  # noqa: RUF009
    key: str | None = None
    weight: str | None = None
    bags: tuple[str, ...] = ()
    bag_key: str | None = None
    read_bags: Callable[[Reading, str], Iterator[Chunk]] | None = None


DATASETS = {
    "census-income": "emm.data.datasets.census_income",
    "ali-ccp": "emm.data.datasets.ali_ccp",
    "ali-ccp-preprocessed": "emm.data.datasets.ali_ccp:PREPROCESSED",
    "aliexpress-us": "emm.data.datasets.aliexpress:US",
    "aliexpress-nl": "emm.data.datasets.aliexpress:NL",
    "aliexpress-es": "emm.data.datasets.aliexpress:ES",
    "aliexpress-fr": "emm.data.datasets.aliexpress:FR",
    "aliexpress-ru": "emm.data.datasets.aliexpress:RU",
    "kuairand-pure": "emm.data.datasets.kuairand_pure",
    "userbehavior-2017": "emm.data.datasets.userbehavior_2017",
    "ijcai-2015": "emm.data.datasets.ijcai_2015",
    "qb-video": "emm.data.datasets.qb_video",
}


def load_dataset(name: str) -> Dataset:
    """The dataset registered under ``name`` (KeyError if there is none)."""
    module, _, attribute = DATASETS[name].partition(":")
    dataset: Dataset = getattr(import_module(module), attribute or "DATASET")
    return dataset
