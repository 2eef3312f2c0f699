"""A project with generated rows in the format of Census-Income, preprocessed, and models for it."""

import shutil
from pathlib import Path

import polars as pl

from emm.data.datasets.census_income import COLUMNS
from stages.preprocess import main as preprocess
from tests.census import lines, write_raw
from tests.configuration import CENSUS, ROOT, copy_conf, edit


def make_project(root: Path, *keep: str) -> None:
    """Write raw files, configuration and processed data to ``root``, the current folder.

    ``keep``: the raw columns that are kept.
    """
    write_raw(root / f"data/raw/{CENSUS}")
    copy_conf(root)
    shutil.copy(ROOT / "dvc.yaml", root)
    (root / "pool").mkdir()
    if keep:
        data = root / f"conf/{CENSUS}/data.yaml"
        edit(data, lambda tree: tree["preprocess"].update(raw=list(keep)))
    preprocess(CENSUS)


def raw_rows(rows: int = 600, seed: int = 0) -> pl.DataFrame:
    """Rows as the raw files hold them: text, and numbers where columns are numbers."""
    table = pl.DataFrame([line.split(", ") for line in lines(rows, seed)], COLUMNS, orient="row")
    return table.with_columns(pl.col("age", "weeks_worked").cast(pl.Float64))
