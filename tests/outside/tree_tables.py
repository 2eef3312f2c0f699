"""A table of raw columns for boosted trees, and rows that are hard for trees trained on it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

JOBS = ("nurse", "clerk", "driver", "Not in universe")
CITIES = 400
NUMBERS = ("age", "wage per hour", "weeks")
CATEGORIES = ("job", "city")


def raw_table(rows: int = 1_500, seed: int = 0) -> pl.DataFrame:
    """Numbers with missing values and zeros, a text with missing ones, and a code of 400 cities."""
    random = np.random.default_rng(seed)
    age = random.normal(40, 12, rows).round(1)
    wage = np.where(random.random(rows) < 0.5, 0, random.gamma(2, 300, rows))
    weeks = random.integers(0, 53, rows)
    job = pl.Series(random.choice([*JOBS, ""], rows)).replace("", None)
    # Some cities are frequent, and half of them are rare.
    city = (CITIES * random.random(rows) ** 2).astype(np.int64) + 7
    missing = pl.Series(random.random(rows) < 0.1)
    return pl.DataFrame(
        {
            "age": pl.Series(age).set(missing, None),
            "wage per hour": wage,
            "weeks": weeks,
            "job": job,
            "city": city,
        }
    )


def label_of(table: pl.DataFrame) -> np.ndarray:
    """A score [N] that depends on all columns."""
    age, job = table["age"].fill_null(30).to_numpy(), table["job"].fill_null("").to_numpy()
    score = (age - 40) / 12 + (table["wage per hour"].to_numpy() > 300) + (job == "nurse")
    score = score + np.sin(table["city"].to_numpy()) + table["weeks"].to_numpy() / 52
    return np.asarray(score + np.random.default_rng(1).normal(scale=0.5, size=len(table)))


def frame(
    table: pl.DataFrame, columns: Sequence[str], categories: Mapping[str, Sequence[Any]]
) -> pd.DataFrame:
    """The columns as a data frame; ``categories``: of category columns, [] for those that occur."""
    found = {}
    for name in columns:
        if name in categories:
            values = table[name].to_numpy()
            found[name] = pd.Categorical(values, categories=list(categories[name]) or None)
        else:
            found[name] = table[name].cast(pl.Float64).to_numpy()
    return pd.DataFrame(found)


def hard_table(thresholds: Iterable[float] = (), rows: int = 5_000) -> pl.DataFrame:
    """Rows with missing numbers, zeros and nearly zeros, huge values, values at ``thresholds`` and
    next to them, and categories that no training row has."""
    table, random = raw_table(rows, seed=1), np.random.default_rng(2)
    edges = np.array([0.0, *thresholds])
    singles = edges.astype(np.float32)
    near = np.concatenate(
        [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)]
        + [np.nextafter(singles, np.float32(side)).astype(float) for side in (-np.inf, np.inf)]
        + [[1e-36, -1e-36, 1e-35, -1e-35, 1.1e-35, 99_999.0, -1.0]]
    )
    changed = {}
    for name in ("age", "wage per hour"):
        at = random.random(rows)
        values = np.where(at < 0.5, random.choice(near, rows), table[name].to_numpy())
        changed[name] = pl.Series(values, nan_to_null=True).set(pl.Series(at > 0.9), None)
    unseen = pl.Series(random.random(rows) < 0.1)
    changed["job"] = table["job"].set(unseen, "unseen")
    city = pl.Series(random.integers(0, CITIES + 50, rows))
    changed["city"] = city.set(unseen, 99_999)
    return table.with_columns(**changed)
