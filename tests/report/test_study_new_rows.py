"""Rows of test whose features occur in train, in a study and on the page of searched models."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emm.automtl.space import ARCHITECTURE, Architecture, Expert, write_architecture
from emm.report.facts import DatasetFacts
from emm.report.new_rows import aucs_of_new_rows
from emm.report.predictions import read_predictions
from emm.report.results import read_results
from emm.report.searched import write_searched
from emm.report.study_settings import StudySettings, StudyTableSettings
from tests.report.shop import KINDS, MODELS, ROWS, TASKS, drawn_seen, with_seen
from tests.report.study_tables import run_study

Write = Callable[..., Path]
COLUMN = "AUC, new rows"
STUDY = StudySettings({"one": StudyTableSettings("One", "shop", "tuned", MODELS, "emm")})
FOUND = Architecture(8, ((Expert(("mlp-16",), (0,)),),), ((0,), (0,), (0,)))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_shop: Write) -> Path:
    root = tmp_path_factory.mktemp("study")
    for model in MODELS:
        write_shop(root, model)
    return root


def study_page(root: Path, facts: DatasetFacts, out: Path) -> str:
    return run_study(STUDY, {"shop": facts}, root, out)


def test_the_tables_have_the_auc_on_new_rows(
    root: Path, shop: DatasetFacts, tmp_path: Path
) -> None:
    facts = with_seen(shop, drawn_seen())
    text = study_page(root, facts, tmp_path)
    for model, label in zip(MODELS, ("MMoE", "EMM"), strict=True):
        results = read_results(model, root / "data/evaluation/shop/tuned" / model, TASKS, KINDS)
        expected = aucs_of_new_rows(read_predictions(results, facts), facts)
        stored = json.loads((tmp_path / f"metrics/one/{model}.json").read_text())
        for task in TASKS:
            assert stored[task]["auc_new_rows"] == expected[task]
            table = text.split(f"**{task}**\n")[1].splitlines()
            header = next(line for line in table if line.startswith("| model "))
            row = next(line for line in table if line.startswith(f"| {label} "))
            titles, cells = ([c.strip() for c in line.split("|")] for line in (header, row))
            assert titles[titles.index("test AUC") + 2] == COLUMN
            assert cells[titles.index(COLUMN)] == f"{expected[task]:.5f}"


def test_the_page_counts_the_seen_rows_of_each_dataset(
    root: Path, shop: DatasetFacts, tmp_path: Path
) -> None:
    text = study_page(root, with_seen(shop, drawn_seen()), tmp_path)
    count = int(drawn_seen().sum())
    share = f"{100 * count / ROWS:.1f} %"
    line = f"- `shop`: {count} of {ROWS} test rows ({share}) have the features of a row of train."
    assert f"{line}\n\nA model can answer such rows from memory" in text
    assert f"- {COLUMN}: " in text.split("## How to read\n")[1]


def test_few_seen_rows_have_no_column(root: Path, shop: DatasetFacts, tmp_path: Path) -> None:
    text = study_page(root, with_seen(shop, torch.arange(ROWS) < 2), tmp_path)
    assert "- `shop`: 2 of 400 test rows (0.5 %) have the features of a row of train." in text
    assert COLUMN not in text
    assert "auc_new_rows" not in (tmp_path / "metrics/one/emm.json").read_text()


def test_without_seen_rows_a_study_is_silent(
    root: Path, shop: DatasetFacts, tmp_path: Path
) -> None:
    none = with_seen(shop, torch.zeros(ROWS, dtype=torch.bool))
    text = study_page(root, none, tmp_path / "none")
    assert text == study_page(root, shop, tmp_path / "unknown")
    assert "from memory" not in text


def test_the_page_of_searched_models_has_the_column_and_the_sentence(
    root: Path, shop: DatasetFacts, tmp_path: Path
) -> None:
    folder = root / "data/evaluation/shop/tuned/emm"
    write_architecture(folder / ARCHITECTURE, FOUND, ("age",), TASKS)
    write_searched(
        STUDY,
        {"shop": with_seen(shop, drawn_seen())},
        root=root,
        settings=Path("study/automtl.yaml"),
        metrics=tmp_path / "metrics",
        report=tmp_path / "searched.md",
    )
    text = (tmp_path / "searched.md").read_text()
    assert text.count(f"| {COLUMN} ") == len(TASKS)
    assert f"{int(drawn_seen().sum())} of {ROWS} test rows" in text
    assert f"- {COLUMN}: " in text.split("## How to read\n")[1]
