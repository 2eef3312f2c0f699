"""A shop's visits as text: every kind of column and task, and values that are hard to read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.predict.projects import build, csv_of

NAME = "shop"
ROWS, TRAIN = 800, 400
MODELS = ("tm-1", "gbdt", "mmoe", "shared_bottom", "ple", "aitm", "adatt", "stem", "home", "emm")
DATA: dict[str, Any] = {
    "source": {"path": None},
    "tasks": ["bought", "spent", "size"],
    "custom": {
        "train": "visits-1.csv",
        "test": "visits-2.csv",
        "separator": ";",
        "thousands": "'",
        "missing": ["", "NA", "-999"],
        "bags": {"genres": "|"},
        "sparse": ["user", "device", "note", "zip", "flag"],
        "key": "session",
        "split": {"by": "file", "validation": 0.25},
        "tasks": {
            "bought": "paid > 50",
            "spent": {"expression": "paid", "kind": "regression"},
            "size": {"expression": "shirt", "kind": "classes", "classes": ["S", "M", "L"]},
        },
    },
    "preprocess": {"seed": 0, "rare_below": 2, "max_rejected": 0.0},
    "evaluate": {"calibration_bins": 5},
}


def visits(rows: int = ROWS) -> pl.DataFrame:
    """Rows as text; the second half has some values that the first doesn't have."""
    draw = np.random.default_rng(0)
    price = draw.integers(1, 4000, rows)
    device = np.array(["phone", " pad", "", "NA", "two\nlines", 'a "quoted"; one'], dtype=object)
    level = draw.normal(size=rows) + (price > 2000)
    return pl.DataFrame(
        {
            "session": [str(9_007_199_254_740_993_000 + n) for n in range(rows)],
            "user": [str(1_234_567_890_123_456_000 + n) for n in draw.integers(0, 40, rows)],
            "when": [
                "n/a" if n % 50 == 7 else f"2024-0{1 + n % 9}-11 {n % 24:02}:{n % 60:02}"
                for n in range(rows)
            ],
            "price": [f"{n:,}".replace(",", "'") + f".{n % 10}" for n in price],
            "views": ["-999" if n % 30 == 5 else str(n % 211) for n in range(rows)],
            "zip": [f"{n % 9:02}" if n < TRAIN else f"{n % 12:02}" for n in range(rows)],
            "device": draw.choice(device, rows).astype(str),
            "note": [("x", "X", "ünïcode", "-999", "")[n % 5] for n in range(rows)],
            "flag": [("true", "False")[n % 2] for n in range(rows)],
            "genres": [("a|b", "b| c", "", "d|a|a")[n % 4] for n in range(rows)],
            "paid": [f"{20 * each + 50:.3f}" for each in level],
            "shirt": [("S", "M", "L")[int(np.clip(each + 1, 0, 2))] for each in level],
        }
    )


def build_shop(
    folder: Path, models: Sequence[str] = MODELS, trained: Sequence[str] = ("tm-1",)
) -> Path:
    """The project, trained on the first half of the rows and evaluated on the second."""
    rows = visits()
    raw = {
        "visits-1.csv": csv_of(rows[:TRAIN], ";"),
        "visits-2.csv": csv_of(rows[TRAIN:], ";"),
    }
    return build(folder, NAME, DATA, raw, models, trained)
