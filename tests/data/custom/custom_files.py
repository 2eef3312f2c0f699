"""Custom data in several formats, and its description."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.data.custom.describe import describe_custom
from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.dataset import Dataset
from emm.data.datasets.split_rules import Randomly
from emm.data.prepare.preprocess import preprocess
from emm.data.reading.chunks import Reading
from emm.data.reading.rejected import Rejected

ROWS = 400
ALL = CustomFiles({"all": ()})
VISIT = {"visit": CustomTask("visited")}
RANDOM = Randomly(0.1, 0.1)


def make_table(rows: int = ROWS) -> pl.DataFrame:
    """Typed rows: a user, a day, numbers, text, a bag, codes, and columns for labels."""
    draw = np.random.default_rng(0)
    genres = np.array(["a", "b|c", "a|c", None], dtype=object)
    return pl.DataFrame(
        {
            "user": draw.integers(0, 50, rows),
            "day": [f"2024-05-{1 + number // 20:02}" for number in range(rows)],
            "price": draw.integers(1, 9999, rows) / 100,
            "views": draw.permutation(rows),
            "device": draw.integers(0, 3, rows),
            "country": pl.Series(draw.choice(["de", "fr", "New, York"], rows), dtype=pl.String),
            "zip": [f"0{number % 300:04}" for number in range(rows)],
            "genres": pl.Series(draw.choice(genres, rows), dtype=pl.String),
            "visited": draw.integers(0, 2, rows) == 1,
            "orders": draw.integers(0, 3, rows),
            "amount": draw.integers(0, 999, rows) / 10,
        }
    )


def describe(raw: Path, **changes: Any) -> Dataset:
    """The dataset "shop" in ``raw`` with the one task visit, apart from ``changes``."""
    arguments: dict[str, Any] = {
        "files": ALL,
        "columns": CustomColumns(),
        "tasks": VISIT,
        "split": RANDOM,
        "config": "conf/shop/data.yaml",
        **changes,
    }
    return describe_custom("shop", raw, **arguments)


def read(
    dataset: Dataset, raw: Path, part: str = "all", *, bags: bool = True
) -> tuple[pl.DataFrame, Rejected]:
    """All rows of a part, and the rejected lines."""
    rejected = Rejected("shop", 1.0)
    chunks = [*dataset.read(Reading(raw, rejected, raw, bags=bags), part)]
    return pl.concat([chunk.rows for chunk in chunks]), rejected


def preprocessed(dataset: Dataset, raw: Path, folder: Path, **settings: Any) -> Path:
    """Preprocess all tasks of a dataset; returns the folder of the result, below ``folder``."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    rejected = folder / "rejected.jsonl"
    options = {"tasks": [*dataset.tasks], "seed": 0, "rare_below": 1, "rejected": rejected}
    preprocess(dataset, raw, out, **options | settings)
    return out


def put_csv(raw: Path, name: str, rows: pl.DataFrame, separator: str = ",") -> Path:
    raw.mkdir(exist_ok=True)
    rows.write_csv(raw / name, separator=separator)
    return raw


def put_parquet(raw: Path, name: str, rows: pl.DataFrame) -> Path:
    raw.mkdir(exist_ok=True)
    rows.write_parquet(raw / name)
    return raw


def put_lines(raw: Path, lines: Sequence[str], name: str = "data.csv") -> Path:
    raw.mkdir(exist_ok=True)
    (raw / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return raw
