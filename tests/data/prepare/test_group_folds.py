"""A model that learns rows by heart gains nothing out of fold, whatever rule splits the data."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import ByKey, ByTime, HeldOut, Randomly, Split
from emm.data.prepare.preprocess import preprocess
from emm.data.reading.chunks import Chunk, Reading
from emm.data.tables.folds import fold_only, folds_of, without_fold
from emm.data.tables.loading import load_fold_groups, load_split
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import load_schema
from tests.data.fetch.tiny_source import SOURCE

FOLDS, SEED = 5, 3
ORIGINS, ROWS = 1500, 4500  # a few rows of each user, time or twin


def table(noise: float) -> pl.DataFrame:
    """Rows that are close to those of one origin, and have its random label."""
    draw = np.random.default_rng(0)
    origin = draw.integers(0, ORIGINS, ROWS)
    place, label = draw.permutation(ORIGINS), draw.integers(0, 2, ORIGINS)
    return pl.DataFrame(
        {
            "x": place[origin] + noise * draw.random(ROWS),
            "origin": origin,
            "bought": label[origin],
        }
    )


def train_of(tmp_path: Path, split: Split, noise: float) -> RowTensors:
    """The rows of train as preprocessing makes them, with their groups."""

    def read(_: Reading, part: str) -> Iterator[Chunk]:
        yield Chunk(part, table(noise))

    dataset = Dataset(
        name="tiny",
        source=SOURCE,
        dense=("x",),
        sparse=(),
        tasks={"bought": Task(pl.col("bought"), ("bought",))},
        read=read,
        parts=("train", "test") if isinstance(split, HeldOut) else ("all",),
        split=split,
    )
    settings: dict[str, Any] = {"seed": 0, "rare_below": 1, "rejected": tmp_path / "rejected.jsonl"}
    preprocess(dataset, tmp_path, tmp_path, tasks=["bought"], **settings)
    rows = load_split(tmp_path / "train.parquet", load_schema(tmp_path / "schema.json"))
    return replace(rows, groups=load_fold_groups(tmp_path, len(rows)))


def memoriser_auc(rows: RowTensors) -> float:
    """AUC out of fold of a tree that learns every row by heart."""
    scores = np.zeros(len(rows))
    fold = folds_of(rows, FOLDS, SEED).numpy()
    for number in range(FOLDS):
        learned = without_fold(rows, number, FOLDS, SEED)
        held = fold_only(rows, number, FOLDS, SEED)
        tree = DecisionTreeClassifier(random_state=0)
        tree.fit(*(each.numpy() for each in (learned.dense, learned.labels[:, 0])))
        scores[fold == number] = tree.predict_proba(held.dense.numpy())[:, 1]
    return float(roc_auc_score(rows.labels[:, 0], scores))


@pytest.mark.parametrize(
    ("split", "noise"),
    [
        (Randomly(0.2, 0.2), 0.0),
        (HeldOut(0.2), 0.0),
        (ByKey("origin", 0.2, 0.2), 0.5),
        (HeldOut(0.2, "origin"), 0.5),
        (ByTime("origin", 0.2, 0.2), 0.5),
    ],
)
def test_random_labels_stay_random_out_of_fold(tmp_path: Path, split: Split, noise: float) -> None:
    rows = train_of(tmp_path, split, noise)
    assert memoriser_auc(replace(rows, groups=None)) > 0.8
    assert abs(memoriser_auc(rows) - 0.5) < 0.04  # two standard errors of 900 labels
