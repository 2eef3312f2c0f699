"""What the pipeline must know of a dataset: source, columns, tasks, splits and how to read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import polars as pl

from emm.data.sources import Source


@dataclass(frozen=True)
class Task:
    """A binary label: an expression over the raw columns that gives 0, 1 or null (not a label).

    ``made_from`` names the raw columns that reveal it and so may not be features.
    """

    label: pl.Expr
    made_from: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """A dataset with an official train and an official test part.

    ``read(folder, part)`` scans the raw files of ``part`` ("train" or "test") into named text
    columns, one row a line, in file order. ``key`` names the column that identifies a row,
    ``weight`` the one that says how much it counts.
    """

    name: str
    source: Source
    dense: tuple[str, ...]
    sparse: tuple[str, ...]
    tasks: Mapping[str, Task]
    read: Callable[[Path, str], pl.LazyFrame]
    key: str | None = None
    weight: str | None = None


DATASETS = {"census-income": "emm.data.datasets.census_income"}


def load_dataset(name: str) -> Dataset:
    """The dataset registered under ``name`` (KeyError if there is none)."""
    dataset: Dataset = import_module(DATASETS[name]).DATASET
    return dataset
