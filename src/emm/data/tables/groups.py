"""The column whose values group a split's rows, for metrics within groups."""

from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from emm.config.binding import choose
from emm.core.errors import DataError
from emm.data.tables.schema import Schema

_NEXT = "name one of these, or keep the column by preprocess.keep"


def load_groups(path: Path, schema: Schema, key: str) -> Tensor:
    """Group [N] int64 of each row of a split's file, by the column ``key``; negative if unknown.

    ``key``: a sparse column, whose id 0 (unknown or rare) is no group, the dataset's key, or a
    kept column.
    Raises ParamsError for any other column, and DataError when the file can't be read.
    """
    known = [*schema.sparse_names, *([schema.key] if schema.key else []), *schema.kept]
    choose("group of rows", key, known, "evaluate.gauc_key in params.yaml", _NEXT)
    try:
        values = pl.read_parquet(path, columns=[key])[key]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path} can't be read: {error}",
            where=path,
            next_step="dvc repro preprocess, or dvc checkout",
        ) from error
    if key not in schema.sparse_names:
        values = values.rank("dense")
    groups = values.cast(pl.Int64).replace(0, None).fill_null(-1)
    return torch.tensor(groups.to_numpy(), dtype=torch.int64)
