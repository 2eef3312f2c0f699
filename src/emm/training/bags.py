"""The bags of a dataset, read from bags.parquet."""

from pathlib import Path

import polars as pl
import torch

from emm.core.errors import DataError
from emm.data.tables.names import BAGS
from emm.data.tables.schema import Schema
from emm.nn.bags import BagStore


def load_bags(processed: Path, schema: Schema, device: torch.device) -> BagStore | None:
    """Load all bags of a dataset to ``device``; None if it has none. Raises DataError if the file
    can't be read."""
    if not schema.bags:
        return None
    names = [column.name for column in schema.bags]
    try:
        frame = pl.read_parquet(processed / BAGS, columns=names)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{processed / BAGS} can't be read: {error}",
            where=processed / BAGS,
            next_step="dvc repro preprocess, or dvc checkout",
        ) from error
    values, starts = [], []
    for name in names:
        ids = frame[name].explode(empty_as_null=False)
        values.append(torch.tensor(ids.to_numpy(), dtype=torch.int32))
        lengths = torch.tensor(frame[name].list.len().to_numpy(), dtype=torch.int64)
        starts.append(torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))
    return BagStore(tuple(values), tuple(starts)).to(device)
