"""A CSV file of generated rows in the raw columns of a processed dataset.

    python -m benchmarks.predict_files data/processed/census-income OUT.csv --rows 2000000

Values are those of golden rows, drawn from the vocabularies and quantiles of train, without blanks
around text and in ASCII, as in most files. Their columns are shifted against each other from part
to part, so that rows differ.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from emm.export.golden import golden_rows
from emm.predict.encoder import open_encoder

_DRAWN = 100_000  # rows, of which a part of the file consists


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("processed", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    options = parser.parse_args()
    plain = pl.col(pl.String).str.strip_chars().str.replace_all(r"[^\x00-\x7f]", "")
    rows = golden_rows(open_encoder(options.processed), _DRAWN).with_columns(plain)
    draw = np.random.default_rng(0)
    with options.out.open("wb") as file:
        for start in range(0, options.rows, _DRAWN):
            shifts = draw.integers(0, _DRAWN, rows.width).tolist()
            columns = zip(rows.get_columns(), shifts, strict=True)
            part = pl.DataFrame([_shifted(column, by) for column, by in columns])
            part.head(options.rows - start).write_csv(file, include_header=not start)


def _shifted(column: pl.Series, by: int) -> pl.Series:
    return pl.concat([column[by:], column[:by]])


if __name__ == "__main__":
    main()
