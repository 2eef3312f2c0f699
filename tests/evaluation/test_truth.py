from pathlib import Path

import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from emm.core.errors import DataError
from emm.data.tables.names import label_column
from emm.data.tables.schema import FORMAT, SPLITS, Schema, Split, write_schema
from emm.evaluation.truth import score_truth

LABELS = [0, 1, 1, 0, 1, 0, 0, 1]
TRUTH = [0.1, 0.9, 0.4, 0.4, 0.7, 0.6, 0.2, 0.3]


def write(folder: Path, columns: dict[str, list[float]]) -> None:
    schema = Schema(
        format=FORMAT,
        dataset="shop",
        title="Shop",
        licence="",
        origin="",
        tasks=("buys",),
        key=None,
        weight=None,
        dense=(),
        sparse=(),
        splits=dict.fromkeys(SPLITS, Split(len(LABELS), {"buys": 0.5})),
        vocabularies={},
    )
    write_schema(schema, folder / "schema.json")
    label = pl.Series(label_column("buys"), LABELS, dtype=pl.UInt8)
    pl.DataFrame({**columns, label.name: label}).write_parquet(folder / "test.parquet")


def test_the_score_is_the_auc_of_the_true_probabilities(tmp_path: Path) -> None:
    write(tmp_path, {"bayes_buys": TRUTH})
    assert score_truth(tmp_path) == {"buys": pytest.approx(roc_auc_score(LABELS, TRUTH))}


def test_a_table_without_its_truth_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"other": TRUTH})
    with pytest.raises(DataError, match="no column bayes_buys"):
        score_truth(tmp_path)
