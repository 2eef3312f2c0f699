"""A table of a Parquet file, with columns of many types."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl


def typed_table(rows: int = 400) -> pl.DataFrame:
    """Whole numbers of two kinds, fractions, days, times and truths, and a label."""
    draw = np.random.default_rng(1)
    start = datetime(2024, 1, 1, 8)
    return pl.DataFrame(
        {
            "code": pl.Series(draw.integers(-5, 5, rows), dtype=pl.Int64),
            "big": pl.Series([2**63 + int(n) for n in draw.integers(0, 9, rows)], dtype=pl.UInt64),
            "ratio": pl.Series(draw.integers(0, 4, rows) / 4, dtype=pl.Float64),
            "size": pl.Series(draw.random(rows), dtype=pl.Float32),
            "day": [date(2024, 1, 1) + timedelta(days=int(n)) for n in draw.integers(0, 5, rows)],
            "moment": [start + timedelta(hours=7 * n) for n in range(rows)],
            "flag": draw.random(rows) < 0.5,
            "visited": draw.integers(0, 2, rows),
        }
    )
