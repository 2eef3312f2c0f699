"""Validation scores per epoch as CSV files."""

import csv
from pathlib import Path

from emm.report.results import Epoch, Evaluation, ModelResults, Run
from emm.report.write import write_curves


def model(*runs: Run) -> ModelResults:
    return ModelResults("mine", Path(), Evaluation("mine", (0,), 1, 1, {}), runs)


def read(folder: Path) -> list[list[str]]:
    with (folder / "mine.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_there_is_a_line_per_task_run_and_epoch(tmp_path: Path) -> None:
    together = Run(
        seed=1,
        task=None,
        best_epoch=0,
        epochs=(Epoch(0, 0.5, {"a": 0.6}, {"b": -0.1}), Epoch(1, 0.25, {"a": 0.7}, {"b": 0.1})),
    )
    write_curves(tmp_path / "plots", [model(together)], ["a", "b"])
    assert read(tmp_path / "plots") == [
        ["task", "seed", "epoch", "score", "train_loss"],
        ["a", "1", "0", "0.6", "0.5"],
        ["a", "1", "1", "0.7", "0.25"],
        ["b", "1", "0", "-0.1", "0.5"],
        ["b", "1", "1", "0.1", "0.25"],
    ]


def test_a_single_task_run_has_lines_for_its_task_only(tmp_path: Path) -> None:
    runs = [
        Run(0, task, 1, (Epoch(1, 0.5, {task: score}),)) for task, score in (("a", 1), ("b", 0))
    ]
    write_curves(tmp_path / "plots", [model(*runs)], ["a", "b"])
    assert [line[:4] for line in read(tmp_path / "plots")[1:]] == [
        ["a", "0", "1", "1.0"],
        ["b", "0", "1", "0.0"],
    ]


def test_a_tasks_name_may_contain_csv_delimiters(tmp_path: Path) -> None:
    name = 'buys, "now"'
    write_curves(
        tmp_path / "plots", [model(Run(0, None, 1, (Epoch(1, 0.5, {name: 0.5}),)))], [name]
    )
    assert read(tmp_path / "plots")[1][0] == name
