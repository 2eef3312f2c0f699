"""The registered datasets: their sources, columns, tasks, splits and readers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module

import polars as pl

from emm.data.datasets.source import Source
from emm.data.datasets.split_rules import Halved, Split
from emm.data.reading.chunks import Chunk, Reading
from emm.data.tables.inputs import Inputs
from emm.data.tables.kinds import RawKind
from emm.data.tables.schema import BINARY, InferredColumn


@dataclass(frozen=True)
class Task:
    """A task and its label.

    Args:
        label: an expression over the raw columns: 0 or 1 for a binary task, any number for a
            regression, any text or number for a task of classes.
        made_from: raw columns that reveal the label and so can't be features.
        kind: ``binary``, ``regression`` or ``classes``.
        classes: the classes in the order of their numbers; by default those of train, sorted.
        optional: a null label is missing; otherwise a row with a null label is rejected.
    """

    label: pl.Expr
    made_from: tuple[str, ...]
    kind: str = BINARY
    classes: tuple[str, ...] = ()
    optional: bool = False


MAX_CLASSES = 1000
"""Most classes that a task may have."""


def class_name(value: pl.Expr) -> pl.Expr:
    """The name of a class as text: 3, 3.0 and "3.0" are the same class "3"; null for blank text."""
    text = value.cast(pl.String).str.strip_chars().str.replace(r"^([+-]?\d+)\.0+$", "$1")
    return pl.when(text != "").then(text)


@dataclass(frozen=True)
class Dataset:
    """A dataset that is published in one or several parts.

    Args:
        dense: columns of numbers, or of text that can be parsed as numbers. Null is missing.
        sparse: columns of text or whole numbers. Null is missing.
        read: ``read(reading, part)`` yields the rows of a part in file order.
        parts: names of the published parts.
        split: the rule that assigns rows to train, validation and test.
        key: the column that identifies a row or its user.
        weight: the column with the weights of the rows.
        bags: list columns, the multi-valued sparse fields. They are read only on request.
        bag_key: the column that refers to a row of ``read_bags``.
        read_bags: ``read_bags(reading, part)`` yields the bags in separate rows, by
            ``bag_key``. None: the bags are columns of the rows.
        inferred: columns whose use was inferred.
        raw_kinds: kinds of the raw columns (`emm.data.tables.raw`); none: those of what is read.
        inputs: how the features are read of new rows; None: as their kinds say.
        fields: names of all columns of a raw file, if it has every feature and no header.
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
    inferred: tuple[InferredColumn, ...] = ()
    raw_kinds: Mapping[str, RawKind] = field(default_factory=dict)
    inputs: Inputs | None = None
    fields: tuple[str, ...] = ()


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
    "adult": "emm.data.datasets.adult",
    "online-shoppers": "emm.data.datasets.online_shoppers",
}


def load_dataset(name: str) -> Dataset:
    """Load the dataset registered under ``name``; KeyError if there is none."""
    module, _, attribute = DATASETS[name].partition(":")
    dataset: Dataset = getattr(import_module(module), attribute or "DATASET")
    return dataset
