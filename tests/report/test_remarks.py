"""Remarks of reports: few rows of a class, weights, kept starts, inferred columns; and a study."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from emm.data.tables.schema import InferredColumn
from emm.metrics.bootstrap import auc_replicates, compare_replicates
from emm.metrics.uncertainty import ScoredRows, auc_interval
from emm.report.facts import DatasetFacts, few_of_steps, few_of_tasks
from emm.report.markdown import code
from emm.report.predictions import read_predictions, rows_by_task
from emm.report.remarks import starts_as_average, starts_of
from emm.report.results import read_results
from emm.report.study_settings import StudySettings, StudyTableSettings
from tests.report.shop import KINDS, MODELS, ROWS, TASKS, cells, report
from tests.report.study_tables import run_study

Write = Callable[..., Path]


def test_few_rows_of_a_class_are_said(
    shop: DatasetFacts, write_shop: Write, tmp_path: Path
) -> None:
    rare = {"colour": (0.6, 0.39, 0.01)}
    few = replace(shop, class_rates=dict.fromkeys(shop.rows, rare))
    folders = [write_shop(tmp_path, model) for model in MODELS]
    text = report(tmp_path, few, folders)
    assert "- colour: the test split has 3 rows of the class `blue`, fewer than 50." in text


def test_weighted_rows_are_said_and_their_intervals_are_weighted(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts
) -> None:
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(9))
    folder = write_shop(tmp_path, "emm", weights)
    text = report(tmp_path, shop, [folder])
    assert "(`evaluate.sample_weights`)" in text
    found = read_predictions(read_results("emm", folder, TASKS, KINDS), shop)
    rows = rows_by_task(found, shop)["click"]
    known = ~found.labels[:, 0].isnan()
    assert rows.weights is not None
    assert torch.equal(rows.weights, weights[known])
    low, high = auc_interval(rows) or (0, 0)
    assert f"[{low:.4f}, {high:.4f}]" in cells(text, "Results", "EMM")


@pytest.mark.parametrize(
    ("averages", "label", "sentence"),
    [
        (("emm",), "EMM (plain average)", "the fused model is the plain average"),
        ((), "EMM (as it started)", "epoch 0, the fused model before training"),
    ],
)
def test_a_fused_model_that_kept_its_start_is_named_so(
    tmp_path: Path,
    write_shop: Write,
    shop: DatasetFacts,
    averages: tuple[str, ...],
    label: str,
    sentence: str,
) -> None:
    folder = write_shop(tmp_path, "emm", best_epoch=0)
    text = report(tmp_path, shop, [folder], averages=averages)
    for section in ("Results", "Funnel", "Calibration and size"):
        assert cells(text, section, "EMM")[0] == label
    assert sentence in text


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"variant": "aligned"}, True),
        ({"variant": "aligned", "start": {"towers": "frozen"}, "merge": False}, True),
        ({"variant": "aligned", "start": {"embeddings": "fresh"}}, False),
        ({"variant": "aligned", "uniform_gates": False}, False),
        ({"variant": "aligned", "zero_merge": False}, False),
        ({"variant": "aligned", "own_paths": False}, False),
        ({"variant": "paper"}, False),
        (None, False),
    ],
)
def test_an_aligned_fusion_starts_as_the_average_unless_its_start_is_another(
    section: dict[str, Any] | None, expected: bool
) -> None:
    assert starts_as_average(section) is expected


def test_inferred_columns_are_listed(tmp_path: Path, write_shop: Write, shop: DatasetFacts) -> None:
    columns = (
        InferredColumn("a|b", "categorical", distinct=1200, missing=3, example="x*"),
        InferredColumn("day", "time", distinct=31, missing=0, example="y" * 50),
    )
    text = report(tmp_path, replace(shop, inferred=columns), [write_shop(tmp_path, "emm")])
    table = text.split("## Inferred columns")[1]
    assert r"| `a\|b` | categorical | 1,200 | 3 | `x*` |" in " ".join(table.split())
    assert f"| `day` | time | 31 | 0 | `{'y' * 39}…` |" in " ".join(table.split())


def found_rows(folder: Path, shop: DatasetFacts) -> dict[str, ScoredRows]:
    return rows_by_task(read_predictions(read_results("emm", folder, TASKS, KINDS), shop), shop)


def test_a_study_compares_classes_by_the_bootstrap(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts
) -> None:
    folders = {model: write_shop(tmp_path, model, best_epoch=0) for model in MODELS}
    settings = StudyTableSettings("One", "shop", "tuned", MODELS, "emm")
    study = StudySettings({"one": settings}, tasks=("one",))
    text = run_study(study, {"shop": shop}, tmp_path, tmp_path)
    replicates = {}
    for model, folder in folders.items():
        stored = load_file(folder / "predictions.safetensors")
        known = ~stored["labels"][:, 1].isnan()
        replicates[model] = auc_replicates(
            stored["logits"][:, known, 1:4], stored["labels"][known, 1]
        )
    found = json.loads((tmp_path / "metrics/one/mmoe.json").read_text())
    expected = compare_replicates(replicates["mmoe"], replicates["emm"])
    assert found["difference_colour"] == pytest.approx(expected.difference, abs=1e-8)
    assert found["standard_error_rows_colour"] == pytest.approx(expected.standard_error, abs=1e-8)
    assert found["p_trained_models_colour"] == pytest.approx(expected.p, rel=1e-5)
    low, high = auc_interval(found_rows(folders["emm"], shop)["colour"]) or (0, 0)
    assert f"| [{low:.4f}, {high:.4f}] |" in text
    assert "- buy: the test split has" in text
    assert "EMM (as it started)" in text


def test_seeds_that_kept_the_start_are_counted(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts
) -> None:
    folder = write_shop(tmp_path, "emm")
    history = json.loads((folder / "history.json").read_text())
    history["runs"][1]["best_epoch"] = 0
    (folder / "history.json").write_text(json.dumps(history))
    text = report(tmp_path, shop, [folder], averages=["emm"])
    assert cells(text, "Results", "EMM")[0] == "EMM (plain average in 1 of 2 seeds)"


def test_an_ensemble_that_learns_nothing_keeps_its_name(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts
) -> None:
    folder = write_shop(tmp_path, "ensemble", best_epoch=0)
    history = json.loads((folder / "history.json").read_text())
    for run in history["runs"]:
        del run["epochs"][1:]
    (folder / "history.json").write_text(json.dumps(history))
    found = read_results("ensemble", folder, TASKS, KINDS)
    assert starts_of([found], ["ensemble"]) == {}


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.5, 0.2), {}),
        ((49 / 400, 0.2), {"click": "49 positives"}),
        ((1 / 400, 0.2), {"click": "1 positive"}),
        ((0.9, 0.2), {"click": "40 negatives"}),
        ((0.5, 0.1), {"buy": "40 positives"}),
    ],
)
def test_a_task_has_few_rows_below_50_of_a_class(
    shop: DatasetFacts, rates: tuple[float, float], expected: dict[str, str]
) -> None:
    split = dict(zip(("click", "buy"), rates, strict=True))
    facts = replace(shop, labelled={}, positive_rates=dict.fromkeys(shop.rows, split))
    assert {t: few for t, few in few_of_tasks(facts).items() if t != "colour"} == expected


def test_steps_of_the_funnel_have_few_positives_of_their_own(shop: DatasetFacts) -> None:
    split = {"click": 0.1, "buy": 0.2}
    facts = replace(shop, labelled={}, positive_rates=dict.fromkeys(shop.rows, split))
    assert few_of_steps(facts) == {"ctr": "40 positives"}
    assert few_of_steps(replace(facts, steps=())) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a*b_c<d>", "`a*b_c<d>`"),
        ("two\n lines", "`two lines`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        (" ", "-"),
    ],
)
def test_text_from_data_is_code_on_one_line(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize("weights", [None, torch.ones(ROWS)])
def test_a_study_says_whether_its_rows_are_weighted(
    tmp_path: Path, write_shop: Write, shop: DatasetFacts, weights: torch.Tensor | None
) -> None:
    write_shop(tmp_path, "emm", weights)
    study = StudySettings({"one": StudyTableSettings("One", "shop", "tuned", ("emm",), "emm")})
    text = run_study(study, {"shop": shop}, tmp_path, tmp_path)
    assert ("The rows are weighted in every score." in text) == (weights is not None)
