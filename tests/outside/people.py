"""A made-up table of raw columns, and rows that are hard for a model that was trained on it."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import polars as pl

NUMBERS = ("age", "gains", "weeks")
TEXTS = ("job", "state")
JOBS = ("nurse", "clerk", "driver", "Not in universe")
STATES = ("Ohio", "Utah", "?")
HUGE = 1e30  # of thresholds that only part missing values off


def people(rows: int = 600, seed: int = 0) -> pl.DataFrame:
    """Ages, gains that are mostly 0, weeks, two texts, and the label ``rich``."""
    random = np.random.default_rng(seed)
    age = random.normal(40, 12, rows).round(1)
    gains = np.where(random.random(rows) < 0.7, 0, random.gamma(2, 300, rows).round())
    weeks = random.integers(0, 53, rows).astype(float)
    job, state = random.choice(JOBS, rows), random.choice(STATES, rows)
    score = (age - 40) / 12 + gains / 500 + (job == "nurse") - (state == "?") + weeks / 52
    label = score + random.normal(size=rows) > 1
    numbers = {"age": age, "gains": gains, "weeks": weeks}
    # Single precision, as ONNX models read numbers.
    columns = {name: values.astype(np.float32).astype(float) for name, values in numbers.items()}
    return pl.DataFrame({**columns, "job": job, "state": state, "rich": label.astype(np.int64)})


def as_pandas(table: pl.DataFrame) -> pd.DataFrame:
    """The features as their users have them: numbers in single precision, texts as objects."""
    numbers = {name: table[name].to_numpy().astype(np.float32) for name in NUMBERS}
    return pd.DataFrame(
        {**numbers, **{name: table[name].to_numpy().astype(object) for name in TEXTS}}
    )


def hard_rows(thresholds: Iterable[float] = (), rows: int = 5_000) -> pl.DataFrame:
    """Rows with missing numbers, zeros, huge values, texts that no training row has, and values at
    the ``thresholds`` of a model and next to them."""
    table = people(rows, seed=1)
    random = np.random.default_rng(2)
    near = np.array([0.0, *(each for each in thresholds if abs(each) < HUGE)], np.float32)
    near = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf)])
    for name in NUMBERS:
        values = table[name].to_numpy().copy()
        at = random.random(rows)
        values[at < 0.3] = random.choice(near, (at < 0.3).sum())
        values[at < 0.02] = 99_999.0
        missing = pl.Series(at > 0.9)
        column = pl.when(~missing).then(pl.Series(values))
        table = table.with_columns(column.alias(name))
    for name in TEXTS:
        unseen = pl.Series(random.random(rows) < 0.1)
        table = table.with_columns(
            pl.when(unseen).then(pl.lit("unseen")).otherwise(name).alias(name)
        )
    return table
