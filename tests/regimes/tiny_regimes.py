"""A small processed dataset with test rows, and regimes of it."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import torch

from emm.config.binding import bind
from emm.data.tables.names import label_column
from emm.data.tables.schema import Split, write_schema
from emm.regimes.settings import Regimes
from tests.training.tiny import NUMBERS, SCHEMA, TASKS, save_processed, table

ROWS = 900

TREE = {
    "pools": {"columns": "Different columns", "groups": "Two groups", "labels": "Another label"},
    "rows": [120],
    "most": 300,
    "draws": 2,
    "draws_of_many": 2,
    "folds": 3,
    "datasets": {
        "tiny": {
            "title": "Tiny",
            "task": "t0",
            "pools": {
                "columns": {
                    "about": "a model of x and one of the rest",
                    "members": {"x": {"columns": ["x"]}, "rest": {"columns": {"except": ["x"]}}},
                },
                "groups": {
                    "about": "two groups",
                    "members": {
                        "one": {"rows": {"id": ["a", "b"]}},
                        "two": {"rows": {"id": ["c"]}},
                    },
                },
                "labels": {
                    "about": "two labels",
                    "members": {
                        "own": {"half": 1, "learner": "scikit-learn"},
                        "other": {"half": 2, "task": "t1", "sample": 150},
                    },
                },
            },
        }
    },
}


def regimes() -> Regimes:
    errors: list[str] = []
    found: Regimes = bind(Regimes, TREE, "", errors)
    assert not errors
    return found


def save_tiny(folder: Path) -> Path:
    """Processed data in ``folder``/tiny."""
    out = folder / "tiny"
    save_processed(out, ROWS)
    rates = dict.fromkeys(TASKS, 0.5)
    splits = {"train": Split(ROWS, rates), "validation": Split(120, rates)}
    write_schema(replace(SCHEMA, splits=splits), out / "schema.json")
    test = table(400, 2)
    columns = {name: test.dense[:, n].numpy() for n, name in enumerate(NUMBERS)}
    columns["id"] = test.sparse[:, 0].numpy()
    labels = {label_column(task): test.labels[:, n].numpy() for n, task in enumerate(TASKS)}
    pl.DataFrame(columns | labels).write_parquet(out / "test.parquet")
    words = {"column": ["id"] * 4, "value": ["unknown", "a", "b", "c"], "id": [0, 1, 2, 3]}
    pl.DataFrame(words | {"rows": [1] * 4}).write_parquet(out / "vocabularies.parquet")
    torch.set_num_threads(1)
    return out
