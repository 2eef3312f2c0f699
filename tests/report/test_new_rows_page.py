"""Rows of test whose features occur in train, on the page, in metrics files and in the README."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emm.report.data_tables import seen_sentence
from emm.report.facts import DatasetFacts
from emm.report.new_rows import aucs_of_new_rows
from emm.report.page import page
from emm.report.predictions import read_predictions
from emm.report.readme import results_table
from emm.report.results import read_results
from emm.report.summary import read_metrics, summarise
from emm.report.tables import new_rows_columns
from tests.report.shop import KINDS, MODELS, ROWS, TASKS, cells, drawn_seen, report, with_seen

Write = Callable[..., Path]
COLUMN = "AUC, new rows"


@pytest.fixture(scope="module")
def seen_shop(shop: DatasetFacts) -> DatasetFacts:
    return with_seen(shop, drawn_seen())


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, write_shop: Write, seen_shop: DatasetFacts
) -> Path:
    root = tmp_path_factory.mktemp("written")
    report(root, seen_shop, [write_shop(root, model) for model in MODELS])
    return root


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return (written / "reports/shop.md").read_text()


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({}, ""),
        ({"validation": 0, "test": 0}, ""),
        (
            {"validation": 0, "test": 3},
            "3 of 1,000 test rows (0.3 %) have the features of a row of train.",
        ),
        (
            {"validation": 1, "test": 278},
            "278 of 1,000 test rows (27.8 %) and 1 of 2,000 validation rows (less than 0.1 %) have "
            "the features of a row of train.",
        ),
        (
            {"validation": 1, "test": 0},
            "1 of 2,000 validation rows (less than 0.1 %) has the features of a row of train.",
        ),
    ],
)
def test_seen_rows_are_counted_in_a_sentence(
    shop: DatasetFacts, seen: dict[str, int], expected: str
) -> None:
    rows = {"validation": 2000, "test": 1000}
    masks = {split: torch.arange(rows[split]) < count for split, count in seen.items()}
    assert seen_sentence(replace(shop, rows=rows, seen=masks)) == expected


def test_the_column_is_next_to_the_auc(written: Path, text: str, seen_shop: DatasetFacts) -> None:
    header, row = cells(text, "Results", "model"), cells(text, "Results", "EMM")
    places = [place for place, title in enumerate(header) if title == COLUMN]
    assert [header[place - 2 : place] for place in places] == [
        [f"{task} AUC", "95 %"] for task in TASKS
    ]
    results = read_results("emm", written / "data/evaluation/shop/tuned/emm", TASKS, KINDS)
    aucs = aucs_of_new_rows(read_predictions(results, seen_shop), seen_shop)
    assert [row[place] for place in places] == [f"{aucs[task]:.5f}" for task in TASKS]


def test_the_page_says_how_many_rows_are_seen_and_what_that_means(text: str) -> None:
    count = int(drawn_seen().sum())
    data = text.split("## Data\n")[1].split("\n## ")[0]
    share = f"{100 * count / ROWS:.1f} %"
    assert (
        f"{count} of {ROWS} test rows ({share}) have the features of a row of train. "
        "A model can answer such rows from memory" in data
    )
    assert f'The column "{COLUMN}" leaves them out.' in data
    assert f"- {COLUMN}: " in text.split("## How to read\n")[1]


@pytest.mark.parametrize("seen", [0, 2])
def test_with_few_seen_rows_there_is_no_column(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts, seen: int
) -> None:
    folder = write_shop(tmp_path, "emm")
    facts = with_seen(shop, torch.arange(ROWS) < seen)
    results = read_results("emm", folder, TASKS, KINDS)
    aucs = aucs_of_new_rows(read_predictions(results, facts), facts)
    summaries = summarise([results], (), {"emm": aucs})
    assert "new_rows" not in json.dumps(summaries["emm"].flat())
    text = page(facts, "tuned", summaries, (), "shop")
    assert COLUMN not in text
    sentence = "2 of 400 test rows (0.5 %) have the features of a row of train. A model can"
    assert (sentence in text) == (seen == 2)
    assert (text == page(shop, "tuned", summaries, (), "shop")) == (seen == 0)


def test_without_an_auc_the_cell_has_a_dash(written: Path) -> None:
    summary = read_metrics(written / "metrics/shop/tuned", ["emm"])["emm"]
    lacking = replace(summary, new_rows={"click": None})
    assert new_rows_columns({"emm": lacking}, "click") == [(COLUMN, ["-"])]
    assert json.loads(json.dumps(lacking.flat()))["click"]["auc_new_rows"] is None


def test_written_metrics_can_be_read_again(written: Path) -> None:
    summaries = read_metrics(written / "metrics/shop/tuned", list(MODELS))
    stored = json.loads((written / "metrics/shop/tuned/emm.json").read_text())
    assert summaries["emm"].new_rows == {task: stored[task]["auc_new_rows"] for task in TASKS}
    assert summaries["emm"].flat() == stored


def test_the_readme_has_the_column_too(written: Path) -> None:
    table = results_table(written / "metrics", "shop", "tuned", list(MODELS), ["mmoe"])
    assert table.count(f"| {COLUMN} ") == len(TASKS)
    assert f"{COLUMN}: over the test rows whose features no row of train has.\n\n|" in table
