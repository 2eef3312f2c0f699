"""Parts of a table: the columns that a member reads, and the rows that it learns on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from emm.core.errors import ParamsError, nearest
from emm.data.tables.names import original_name
from emm.data.tables.rows import Rows, RowTensors
from emm.data.tables.schema import DenseColumn, Schema
from emm.training.part_settings import Bounds, Part, Values, refuse_part

VOCABULARIES = "vocabularies.parquet"
BATCH = 65_536


def without_columns(rows: RowTensors, hidden: Sequence[int]) -> RowTensors:
    """The rows with 0 in the ``hidden`` columns, see `hidden_columns`."""
    if not hidden:
        return rows
    width = rows.dense.shape[1]
    dense, sparse = rows.dense.clone(), rows.sparse.clone()
    dense[:, [each for each in hidden if each < width]] = 0
    sparse[:, [each - width for each in hidden if each >= width]] = 0
    return replace(rows, dense=dense, sparse=sparse)


def rows_of_part(rows: Rows, part: Part, schema: Schema, processed: Path, split: str) -> Rows:
    """The rows of a split that meet the conditions of a part, in order.

    ``processed``: the folder of the processed data, whose vocabularies give the ids of values.
    Raises ParamsError for unknown columns or values, and if no row is left.
    """
    if not part.rows:
        return rows
    conditions = conditions_of(part, schema, processed)
    found = [conditions(batch) for batch in rows.in_order(BATCH)]
    own = torch.cat(found).nonzero().squeeze(1)
    if not len(own):
        raise ParamsError(
            f"no row of {split} meets the condition `rows`",
            got=dict(part.rows),
            expected=f"rows of {split} to learn on",
            next_step="widen the condition",
        )
    return rows.rows(own.to(rows.labels.device))


class Conditions:
    """The conditions of a part on encoded columns: `RowTensors` -> bool [B]."""

    def __init__(
        self, bounds: Mapping[int, tuple[float, float]], ids: Mapping[int, Sequence[int]]
    ) -> None:
        self.bounds, self.ids = bounds, ids

    def __call__(self, rows: RowTensors) -> Tensor:
        found = torch.ones(len(rows), dtype=torch.bool, device=rows.dense.device)
        for place, (low, high) in self.bounds.items():
            found &= (rows.dense[:, place] >= low) & (rows.dense[:, place] < high)
        for place, ids in self.ids.items():
            column = rows.sparse[:, place]
            found &= torch.isin(column, torch.tensor(ids, dtype=column.dtype, device=column.device))
        return found


def conditions_of(part: Part, schema: Schema, processed: Path) -> Conditions:
    """The conditions of a part in the table's encoding. Raises ParamsError, see `rows_of_part`."""
    refuse_part(part, schema)
    dense = {original_name(column.name): n for n, column in enumerate(schema.dense)}
    sparse = {original_name(column.name): n for n, column in enumerate(schema.sparse)}
    bounds, ids = {}, {}
    for name, condition in part.rows.items():
        if isinstance(condition, Bounds):
            bounds[dense[name]] = _scaled(condition, schema.dense[dense[name]])
        else:
            column = schema.sparse[sparse[name]].name
            ids[sparse[name]] = _ids(column, condition, processed / VOCABULARIES)
    return Conditions(bounds, ids)


def _scaled(bounds: Bounds, column: DenseColumn) -> tuple[float, float]:
    """Bounds in stored units: rounded as the stored values are, so that equal ones stay equal."""
    low = float("-inf") if bounds.at_least is None else column.scaled(bounds.at_least)
    high = float("inf") if bounds.below is None else column.scaled(bounds.below)
    rounded: list[float] = torch.tensor([low, high], dtype=torch.float32).tolist()
    return rounded[0], rounded[1]


def _ids(column: str, values: Values, vocabularies: Path) -> list[int]:
    # A rare value shares the id 0 with all other rare and unknown ones, and with missing ones.
    own = pl.read_parquet(vocabularies).filter((pl.col("column") == column) & (pl.col("id") > 0))
    known = dict(zip(own["value"].cast(pl.String), own["id"], strict=True))
    found = []
    for value in map(_text, values):
        if value not in known:
            raise ParamsError(
                f"the column {column} has no value {value!r}; {nearest(value, known)}",
                where=f"rows.{column}",
                next_step="correct the value; train has it too rarely, or not at all",
            )
        found.append(int(known[value]))
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
