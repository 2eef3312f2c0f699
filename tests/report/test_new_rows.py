"""Rows of test whose features occur in train: the file that names them, and AUCs without them."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.new_rows import aucs_of_new_rows, read_seen
from emm.report.predictions import read_predictions
from emm.report.results import read_results
from tests.report.shop import KINDS, ROWS, TASKS, drawn_labels, drawn_seen, with_seen

Write = Callable[..., Path]
COUNTS = {"train": 5, "validation": 2, "test": 3}
FRAME = pl.DataFrame(
    {
        "split": ["validation"] * 2 + ["test"] * 3,
        "seen": [True, False, False, True, True],
    }
)


def found(folder: Path, facts: DatasetFacts) -> dict[str, float | None]:
    """The AUCs over new rows, by task."""
    return aucs_of_new_rows(
        read_predictions(read_results("emm", folder, TASKS, KINDS), facts), facts
    )


def test_the_file_says_which_rows_are_seen(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "seen.parquet")
    found = read_seen(tmp_path / "seen.parquet", COUNTS)
    assert {split: rows.tolist() for split, rows in found.items()} == {
        "validation": [True, False],
        "test": [False, True, True],
    }


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (None, "is missing"),
        (FRAME[1:], "has other numbers of rows"),
        (FRAME.with_columns(split=pl.lit("train")), "has other numbers of rows"),
        (FRAME.rename({"seen": "twin"}), "has other columns"),
        (FRAME.with_columns(pl.col("seen").cast(pl.UInt8)), "has other columns"),
        (FRAME.with_columns(seen=pl.lit(None, pl.Boolean)), "has missing values"),
    ],
)
def test_an_unusable_file_names_the_stage_to_run(
    tmp_path: Path, frame: pl.DataFrame | None, message: str
) -> None:
    if frame is not None:
        frame.write_parquet(tmp_path / "seen.parquet")
    with pytest.raises(DataError, match=message) as caught:
        read_seen(tmp_path / "seen.parquet", COUNTS)
    assert "`dvc repro --force check-data`" in str(caught.value)


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "seen.parquet")
    content = (tmp_path / "seen.parquet").read_bytes()
    (tmp_path / "seen.parquet").write_bytes(content[:20])
    with pytest.raises(DataError, match="can't be read"):
        read_seen(tmp_path / "seen.parquet", COUNTS)


@pytest.mark.parametrize(("seen", "column"), [(0, False), (4, False), (5, True)])
def test_above_one_percent_of_seen_rows_the_others_are_told_apart(
    shop: DatasetFacts, seen: int, column: bool
) -> None:
    facts = with_seen(shop, torch.arange(ROWS) < seen)
    assert (facts.new_rows is not None) == column


def pairs_won(scores: list[float], positive: list[bool], weights: list[float]) -> float:
    """The AUC, pair by pair."""
    won = total = 0.0
    for score, of_class, weight in zip(scores, positive, weights, strict=True):
        for other, other_of_class, other_weight in zip(scores, positive, weights, strict=True):
            if of_class and not other_of_class:
                won += weight * other_weight * (1.0 if score > other else 0.5 * (score == other))
                total += weight * other_weight
    return won / total


def slow_auc(folder: Path, seen: Tensor, task: int, weights: Tensor | None = None) -> float:
    """Mean over seeds, for classes also over classes, of the AUC over new rows with a label."""
    stored = load_file(folder / "predictions.safetensors")
    labels = stored["labels"][:, task].tolist()
    rows = [row for row in range(ROWS) if labels[row] == labels[row] and not seen[row]]
    weight = [1.0 if weights is None else weights[row].item() for row in rows]
    found = []
    for logits in stored["logits"].double():
        if TASKS[task] != "colour":
            scores = [logits[row, 0 if task == 0 else 4].item() for row in rows]
            found.append(pairs_won(scores, [labels[row] == 1 for row in rows], weight))
            continue
        shares = logits[:, 1:4].softmax(1)
        for number in range(3):
            scores = [shares[row, number].item() for row in rows]
            found.append(pairs_won(scores, [labels[row] == number for row in rows], weight))
    return sum(found) / len(found)


@pytest.mark.parametrize("task", range(3))
def test_the_auc_is_that_of_labelled_rows_that_train_does_not_have(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts, task: int
) -> None:
    folder = write_shop(tmp_path, "emm")
    expected = slow_auc(folder, drawn_seen(), task)
    aucs = found(folder, with_seen(shop, drawn_seen()))
    assert aucs[TASKS[task]] == pytest.approx(expected, abs=1e-8)


def test_the_auc_of_weighted_rows_is_weighted(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts
) -> None:
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(9))
    folder = write_shop(tmp_path, "emm", weights)
    aucs = found(folder, with_seen(shop, drawn_seen()))
    for task in (0, 1):
        expected = slow_auc(folder, drawn_seen(), task, weights)
        assert aucs[TASKS[task]] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("task", "label"), [(0, 0), (1, 2), (2, 1)])
def test_a_task_has_no_auc_where_a_class_has_no_new_row(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts, task: int, label: int
) -> None:
    facts = with_seen(shop, drawn_labels()[:, task] == label)
    aucs = found(write_shop(tmp_path, "emm"), facts)
    assert aucs[TASKS[task]] is None
    assert [each for name, each in aucs.items() if name != TASKS[task]].count(None) == 0


def test_a_class_that_counts_nowhere_is_no_class_without_a_row(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts
) -> None:
    blue = drawn_labels()[:, 1] == 2
    folder = write_shop(tmp_path, "emm", 1 - blue.float())
    assert found(folder, with_seen(shop, blue))["colour"] is not None
