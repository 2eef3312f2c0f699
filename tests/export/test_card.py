"""The model card: its metadata, and the scores of the exported seed."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file

from emm.core.errors import DataError
from emm.data.tables.schema import load_schema
from emm.export.bundle import write_bundle
from emm.export.card_scores import card_scores, score_tables, seeds_sentence
from emm.export.row import Row
from emm.metrics.ranking import auc
from emm.metrics.uncertainty import ScoredRows, auc_interval
from emm.report.facts import DatasetFacts, facts_of
from emm.report.new_rows import add_seen


@pytest.fixture(scope="module")
def facts(row: Row) -> DatasetFacts:
    return facts_of("shop", load_schema(row.processed / "schema.json"))


def parts(bundle: Path) -> tuple[dict[str, Any], str]:
    """The metadata and the text of a card."""
    _, head, text = (bundle / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), text


def test_the_metadata_has_what_model_hubs_read(bundle: Path) -> None:
    head, _ = parts(bundle)
    assert head["license"] == "unknown"
    assert head["library_name"] == "onnx"
    assert head["pipeline_tag"] == "tabular-classification"
    index = head["model-index"][0]
    assert index["name"] == "shop/paper/gbdt"
    kinds = {each["task"]["name"]: each["task"]["type"] for each in index["results"]}
    assert kinds == {
        "clicked": "tabular-classification",
        "bought": "tabular-classification",
        "spent": "tabular-regression",
        "size": "tabular-classification",
    }
    for each in index["results"]:
        assert each["dataset"] == {"name": "shop", "type": "shop", "split": "test"}


def test_the_scores_are_those_of_the_exported_seed(bundle: Path, row: Row) -> None:
    tasks = json.loads((row.evaluation / "metrics.json").read_text())["tasks"]
    results = {
        e["task"]["name"]: e["metrics"] for e in parts(bundle)[0]["model-index"][0]["results"]
    }
    keys = {"roc_auc": "auc", "log_loss": "logloss", "expected_calibration_error": "ece"}
    keys |= {"r_squared": "r2"}
    for task, metrics in results.items():
        assert len(metrics) >= 3
        for each in metrics:
            key = keys.get(each["type"], each["type"])
            assert each["value"] == pytest.approx(tasks[task][key][1], abs=1e-8), (task, key)


def test_intervals_and_rates_are_those_of_the_test_rows(row: Row, facts: DatasetFacts) -> None:
    scores = card_scores("gbdt", row.evaluation, facts, 1)
    saved = load_file(row.evaluation / "predictions.safetensors")
    logits, labels = saved["logits"][1, :, 0], saved["labels"][:, 0]
    assert scores.intervals["clicked"] == auc_interval(ScoredRows(logits[None], labels))
    assert scores.summary.tasks["clicked"].score[0] == pytest.approx(auc(logits, labels), abs=1e-8)
    predicted, observed = scores.means["clicked"]
    assert predicted == pytest.approx(torch.sigmoid(logits.double()).mean().item())
    assert observed == pytest.approx(labels.double().mean().item())


def test_there_is_a_table_for_each_kind_of_task_and_for_the_funnel(
    row: Row, facts: DatasetFacts
) -> None:
    tables = score_tables(card_scores("gbdt", row.evaluation, facts, 0), facts)
    firsts = [[line.split("|")[1].strip() for line in table.splitlines()] for table in tables]
    assert [first[0] for first in firsts] == ["task", "task", "step"]
    assert firsts[0][2:] == ["clicked", "bought", "size"]
    assert firsts[1][2:] == ["spent"]
    assert firsts[2][2:] == ["CTR", "CTCVR", "CVR"]


def test_the_spread_of_several_seeds_is_said(row: Row, facts: DatasetFacts) -> None:
    scores = card_scores("gbdt", row.evaluation, facts, 0)
    first, second = scores.seeds.tasks["spent"].r2  # type: ignore[union-attr]
    expected = f"spent R² {(first + second) / 2:.5f} ± {abs(first - second) / 2**0.5:.5f}"
    assert expected in seeds_sentence(scores)
    assert "with 2 seeds" in seeds_sentence(scores)


def test_a_seed_without_scores_is_refused(row: Row, facts: DatasetFacts) -> None:
    with pytest.raises(DataError, match="seed 5 of gbdt has not been evaluated"):
        card_scores("gbdt", row.evaluation, facts, 5)


def test_rows_that_train_has_are_told_apart(row: Row, facts: DatasetFacts, tmp_path: Path) -> None:
    counts = {split: facts.rows[split] for split in ("validation", "test")}
    table = [(split, n % 3 == 0) for split, count in counts.items() for n in range(count)]
    types = {"split": pl.String, "seen": pl.Boolean}
    pl.DataFrame(table, schema=types, orient="row").write_parquet(tmp_path / "seen.parquet")
    known = add_seen(facts, tmp_path / "seen.parquet")
    scores = card_scores("gbdt", row.evaluation, known, 0)
    assert "AUC, new rows" in score_tables(scores, known)[0]


def test_the_text_warns_of_identifiers_and_has_no_date_and_no_paths(bundle: Path) -> None:
    _, text = parts(bundle)
    assert "- `user_id`, 120 values: its name speaks of people" in text
    assert not re.search(r"\d{4}-\d\d-\d\d", text.replace("2504.09812", ""))
    assert str(bundle.parent) not in text


def test_every_file_of_the_folder_is_explained(bundle: Path) -> None:
    _, text = parts(bundle)
    for path in bundle.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"`{path.name}`" in text, path.name


def test_row_weights_in_the_scores_are_said(row: Row, facts: DatasetFacts, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    copy = shutil.copytree(row.evaluation, tmp_path / "weighted")
    saved = load_file(copy / "predictions.safetensors")
    weights = torch.arange(len(saved["labels"]), dtype=torch.float32) + 1
    save_file({**saved, "weights": weights}, copy / "predictions.safetensors")
    scores = card_scores("gbdt", copy, replace(facts), 0)
    assert scores.weighted
    labels = saved["labels"][:, 0].double()
    expected = (weights.double() @ labels / weights.double().sum()).item()
    assert scores.means["clicked"][1] == pytest.approx(expected)


def test_the_teacher_of_a_student_is_named(row: Row, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(row.models, models / "seed-1")
    teacher = {"teacher": "emm", "soft_targets": 0.8, "outside": ["risk"], "exchanged": 0.1}
    (models / "teacher.json").write_text(json.dumps(teacher))
    out = tmp_path / "out"
    out.mkdir()
    write_bundle(out, replace(row, models=models / "seed-1"))
    text = parts(out)[1]
    assert "with the weight 0.8, from the predictions of a teacher: the fused model `emm`" in text
    assert (
        "(not known of those from outside: risk). The teacher also labelled a copy of train" in text
    )
