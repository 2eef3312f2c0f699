"""What the true probabilities of a generated table score on its test rows: the best possible."""

from pathlib import Path

import polars as pl
import torch

from emm.core.errors import DataError
from emm.data.datasets.generated import TRUTH
from emm.data.tables.names import label_column
from emm.data.tables.schema import load_schema
from emm.metrics.ranking import auc


def score_truth(processed: Path) -> dict[str, float]:
    """AUC on test by task; DataError if the table doesn't keep its true probabilities."""
    schema, path = load_schema(processed / "schema.json"), processed / "test.parquet"
    wanted = {task: f"{TRUTH}{task}" for task in schema.tasks}
    lacking = set(wanted.values()) - set(pl.read_parquet_schema(path))
    if lacking:
        raise DataError(
            "the test rows lack the true probabilities",
            where=path,
            got=f"no column {sorted(lacking)[0]}",
            expected=f"the columns {', '.join(wanted.values())}",
            next_step="name them in `preprocess.keep` of the table's data.yaml, "
            "then run its stage `preprocess`",
        )
    names = [name for task, column in wanted.items() for name in (column, label_column(task))]
    rows = pl.read_parquet(path, columns=names)
    return {
        task: auc(
            torch.from_numpy(rows[column].cast(pl.Float64).to_numpy().copy()),
            torch.from_numpy(rows[label_column(task)].to_numpy().copy()),
        )
        for task, column in wanted.items()
    }
