"""Reports on a binary task and a regression task."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emm.data.tables.schema import FORMAT, Schema, Split, Target
from emm.report.evidence import read_evidence
from emm.report.facts import DatasetFacts, facts_of
from emm.report.readme import results_table
from emm.report.results import read_results
from emm.report.study_settings import StudySettings, StudyTableSettings
from emm.report.summary import read_metrics, summarise, write_metrics
from emm.report.write import write_report
from tests.report.study_tables import run_study

TASKS, KINDS = ("click", "price"), ("binary", "regression")
MODELS = ("tm-1", "emm")
Write = Callable[[Path, str], Path]


@pytest.fixture(scope="module")
def facts() -> DatasetFacts:
    splits = ("train", "validation", "test")
    schema = Schema(
        format=FORMAT,
        dataset="shop",
        title="Shop",
        licence="MIT",
        origin="here",
        tasks=TASKS,
        key=None,
        weight=None,
        dense=(),
        sparse=(),
        splits={name: Split(200, {"click": 0.25}, {"price": 0.5}) for name in splits},
        vocabularies={},
        kinds=dict(zip(TASKS, KINDS, strict=True)),
        targets={"price": Target(mean=100.0, std=20.0)},
    )
    return facts_of("shop", schema)


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, write_mixed: Write, facts: DatasetFacts
) -> Path:
    root = tmp_path_factory.mktemp("written")
    write_report(
        [(model, write_mixed(root, model)) for model in MODELS],
        facts,
        "tuned",
        trained=("tm-1",),
        fused=("emm",),
        metrics=root / "metrics/shop/tuned",
        plots=root / "plots/shop/tuned",
        report=root / "reports/shop.md",
    )
    return root


def test_a_models_metrics_file(written: Path) -> None:
    assert json.loads((written / "metrics/shop/tuned/emm.json").read_text()) == {
        "click": {
            "auc": 0.85,
            "auc_std": 0.07071068,
            "auc_gain": 0,
            "logloss": 0.25,
            "ece": 0.0125,
        },
        "price": {"r2": 0.7, "r2_std": 0.14142136, "r2_gain": 0.1, "rmse": 13, "mae": 9.5},
        "mean_score": 0.775,
        "parameters": 1000,
        "operations": 500,
        "seeds": 2,
        "best_epoch": 2,
    }


def test_written_metrics_can_be_read_again(tmp_path: Path, write_mixed: Write) -> None:
    results = [read_results(model, write_mixed(tmp_path, model), TASKS, KINDS) for model in MODELS]
    summaries = summarise(results, ("tm-1",))
    write_metrics(tmp_path / "metrics", summaries)
    assert read_metrics(tmp_path / "metrics", list(MODELS)) == summaries


def test_the_table_has_the_score_of_each_kind_of_task(written: Path) -> None:
    table = results_table(written / "metrics", "shop", "tuned", list(MODELS), ["tm-1"])
    assert table.splitlines()[0].startswith("`shop`, recipe `tuned`: AUC or R² on the test split, ")
    header, _, first, second = table.splitlines()[2:]
    assert [cell.strip() for cell in header.split("|")][1:-1] == [
        "model",
        "click AUC",
        "Gain",
        "price R²",
        "Gain",
    ]
    assert "<u>0.60000</u> ± 0.14142" in first
    assert second.endswith("**0.70000** ± 0.14142 | +0.10000 |")


def test_the_page_distinguishes_both_kinds_of_tasks(written: Path) -> None:
    text = (written / "reports/shop.md").read_text()
    assert "| split      | rows | click positive | price mean |" in text
    assert "| train      |  200 |   50 (25.00 %) |        110 |" in text
    assert "| click log loss |     ECE | price RMSE |     MAE |" in text
    assert "13.00000 | 9.50000" in text
    assert "Validation AUC or R²; a dot marks" in text


def test_a_regression_has_no_roc_and_no_calibration(written: Path) -> None:
    drawn = {path.name for path in (written / "reports/shop").iterdir()}
    binary = {"calibration-click.svg", "roc-click.svg"}
    assert drawn == {*binary, "training.svg", "values-price.svg"}


def test_every_figure_is_linked(written: Path) -> None:
    text = (written / "reports/shop.md").read_text()
    assert text.count("](shop/") == 4
    assert "![Values of price](shop/values-price.svg)" in text


def test_groups_are_of_the_first_seeds_predictions(
    tmp_path: Path, write_mixed: Write, facts: DatasetFacts
) -> None:
    results = read_results("emm", write_mixed(tmp_path, "emm"), TASKS, KINDS)
    stored = load_file(results.folder / "predictions.safetensors")
    found = read_evidence([results], facts, {}).curves["emm"].groups["price"]
    # These labels are half the first seed's predictions.
    torch.testing.assert_close(found.observed, found.predicted / 2)
    expected = stored["logits"][0, :, 1].double().mean()
    torch.testing.assert_close((found.predicted * found.rows).sum() / 200, expected)


def test_a_page_without_binary_tasks_does_not_mention_their_scores(
    tmp_path: Path, write_mixed: Write, facts: DatasetFacts
) -> None:
    folder = write_mixed(tmp_path, "emm")
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["tasks"]["click"]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    stored = load_file(folder / "predictions.safetensors")
    one = {"logits": stored["logits"][:, :, 1:], "labels": stored["labels"][:, 1:]}
    contiguous = {name: tensor.contiguous() for name, tensor in one.items()}
    save_file(contiguous, folder / "predictions.safetensors")
    alone = replace(facts, tasks=TASKS[1:], kinds=KINDS[1:])
    report = tmp_path / "reports/shop.md"
    write_report(
        [("emm", folder)],
        alone,
        "tuned",
        trained=(),
        fused=(),
        metrics=tmp_path / "m",
        plots=tmp_path / "p",
        report=report,
    )
    text = report.read_text()
    assert not [word for word in ("AUC", "ROC", "alibration", "log loss", "ECE") if word in text]
    assert json.loads((tmp_path / "m/emm.json").read_text())["mean_score"] == 0.7


def test_a_study_tests_differences_of_binary_tasks_only(
    tmp_path: Path, write_mixed: Write, facts: DatasetFacts
) -> None:
    for model in MODELS:
        write_mixed(tmp_path, model)
    table = StudyTableSettings("One", "shop", "tuned", MODELS, "emm", trained=("tm-1",))
    study = StudySettings({"one": table}, tasks=("one",))
    text = run_study(study, {"shop": facts}, tmp_path, tmp_path)
    found = json.loads((tmp_path / "metrics/one/tm-1.json").read_text())
    assert found["p_procedure_click"] <= 1
    assert (found["p_procedure_price"], found["difference_price"]) == (None, None)
    assert (found["validation_auc_click"], found["validation_r2_price"]) == (0.92, -0.58)
    assert "- click, " in text
    assert "- price" not in text
    assert "| model | test R² | validation R² |" in " ".join(text.split()).replace("  ", " ")
