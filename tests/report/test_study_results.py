"""A study's results on generated predictions: differences, p values, files."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.ranking import auc
from emm.report.facts import DatasetFacts
from emm.report.study_results import StudyTable, read_table, read_tables, write_study_metrics
from emm.report.study_settings import (
    BorrowedRow,
    PrimaryFamily,
    StudySettings,
    StudyTableSettings,
)
from tests.report.study_tables import (
    LABELS,
    LOGITS,
    SETTINGS,
    TASKS,
    Write,
    folder,
    noisy,
    write_models,
)

Read = Callable[..., StudyTable]


@pytest.fixture
def read(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Read:
    def make(
        logits: Mapping[str, Tensor] = LOGITS, settings: StudyTableSettings = SETTINGS
    ) -> StudyTable:
        write_models(write_evaluation, folder(tmp_path), logits)
        return read_table(settings, facts, tmp_path)

    return make


def test_models_are_in_the_order_of_the_table(read: Read) -> None:
    assert list(read().results) == ["tm-1", "mmoe", "emm"]


def test_equal_models_have_difference_0_and_p_1(read: Read) -> None:
    table = read(LOGITS | {"mmoe": LOGITS["emm"]})
    found = table.results["mmoe"].differences.values()
    assert [(each.auc, each.estimate.p) for each in found] == [(0, 1), (0, 1)]


def test_the_reference_is_not_compared_with_itself(read: Read) -> None:
    assert read().results["emm"].differences == {}


def test_a_difference_is_the_mean_auc_minus_that_of_the_reference(read: Read) -> None:
    labels = LABELS[:, 1].contiguous()
    means = {
        name: sum(auc(one[:, 1].contiguous(), labels) for one in logits) / len(logits)
        for name, logits in LOGITS.items()
    }
    found = read().results["tm-1"].differences["never-married"].auc
    assert found == pytest.approx(means["tm-1"] - means["emm"], abs=1e-8)
    assert found < 0


def test_models_may_have_different_numbers_of_seeds(read: Read) -> None:
    table = read(LOGITS | {"mmoe": noisy(1.0, seeds=3)})
    assert [r.summary.totals.seeds for r in table.results.values()] == [2, 3, 2]
    assert 0 < table.results["mmoe"].differences["income"].estimate.p < 1


def test_a_borrowed_model_is_read_from_its_own_dataset(
    read: Read, tmp_path: Path, write_evaluation: Write
) -> None:
    aucs = {task: [0.95, 0.95] for task in TASKS}
    other = folder(tmp_path, "held-out")
    write_evaluation(other, "emm", aucs, parameters=77, logits=LOGITS["emm"])
    borrowed = BorrowedRow("held-out", "emm", "aligned_held_out")
    settings = StudyTableSettings(
        "One", "census-income", "tuned", SETTINGS.rows, "emm", (borrowed,)
    )
    table = read(LOGITS, settings)
    assert table.results["aligned_held_out"].summary.totals.parameters == 77
    assert table.results["emm"].summary.totals.parameters == 1000


def test_a_missing_evaluation_is_reported(read: Read) -> None:
    with pytest.raises(DataError, match="mmoe has not been evaluated"):
        read({name: logits for name, logits in LOGITS.items() if name != "mmoe"})


def test_different_labels_are_rejected(read: Read, tmp_path: Path, facts: DatasetFacts) -> None:
    read()
    path = folder(tmp_path) / "mmoe/predictions.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "labels": 1 - tensors["labels"]}, path)
    with pytest.raises(DataError, match="has other labels"):
        read_table(SETTINGS, facts, tmp_path)


def test_a_goal_for_an_unknown_task_is_rejected(read: Read) -> None:
    settings = StudyTableSettings(**{**vars(SETTINGS), "goals": {"click": 0.9}})
    with pytest.raises(DataError, match="goal is for the task click"):
        read(LOGITS, settings)


def test_validation_is_of_the_kept_epoch_and_epochs_counts_all(read: Read) -> None:
    result = read().results["emm"]
    assert result.validation == {"income": 0.92, "never-married": 0.92}
    assert (result.epochs, result.cost) == (3, 1500)


def test_epoch_0_counts_as_no_training(read: Read, tmp_path: Path, facts: DatasetFacts) -> None:
    read()
    path = folder(tmp_path) / "emm/history.json"
    tree: Any = json.loads(path.read_text())
    for run in tree["runs"]:
        run["epochs"] = [run["epochs"][0] | {"epoch": 0}]
        run["best_epoch"] = 0
    path.write_text(json.dumps(tree))
    assert read_table(SETTINGS, facts, tmp_path).results["emm"].epochs == 0


def test_metrics_files_have_the_difference_and_its_uncertainty(read: Read, tmp_path: Path) -> None:
    table = read()
    write_study_metrics(tmp_path / "m", {"one": table})
    found = json.loads((tmp_path / "m/one/mmoe.json").read_text())
    each = table.results["mmoe"].differences["income"].estimate
    assert found["income"]["auc"] == 0.95
    assert found["difference_income"] == pytest.approx(each.value, abs=1e-8)
    assert found["difference_low_income"] == pytest.approx(each.interval.low, abs=1e-8)
    assert found["difference_high_income"] == pytest.approx(each.interval.high, abs=1e-8)
    assert found["standard_error_rows_income"] == pytest.approx(each.rows_error, abs=1e-8)
    assert found["standard_error_seeds_income"] == pytest.approx(each.seeds_error, abs=1e-8)
    assert found["degrees_of_freedom_income"] == pytest.approx(each.degrees_of_freedom, abs=1e-8)
    assert found["p_procedure_income"] == pytest.approx(each.p, rel=1e-5)
    assert found["p_trained_models_income"] == pytest.approx(each.p_of_rows, rel=1e-5)
    assert found["p_primary_income"] is None
    assert (found["operations"], found["epochs"], found["seeds"]) == (500, 3, 2)


def test_metrics_files_have_the_p_values_of_the_primary_family(
    tmp_path: Path, write_evaluation: Write, facts: DatasetFacts
) -> None:
    logits = {name: noisy(1.0 + place, 5, place) for place, name in enumerate(SETTINGS.rows)}
    write_models(write_evaluation, folder(tmp_path), logits)
    study = StudySettings({"one": SETTINGS}, PrimaryFamily("one", ("mmoe",)))
    tables = read_tables(study, {"census-income": facts}, tmp_path)
    write_study_metrics(tmp_path / "m", tables)
    found = {name: json.loads((tmp_path / f"m/one/{name}.json").read_text()) for name in logits}
    expected = tables["one"].results["mmoe"].differences["income"].primary
    assert found["mmoe"]["p_primary_income"] == pytest.approx(expected, rel=1e-5)
    assert found["tm-1"]["p_primary_income"] is None


def test_what_one_seed_does_not_tell_is_null(read: Read, tmp_path: Path) -> None:
    table = read(LOGITS | {"mmoe": noisy(1.0, seeds=1)})
    write_study_metrics(tmp_path / "m", {"one": table})
    found = json.loads((tmp_path / "m/one/mmoe.json").read_text())
    names = ("standard_error_seeds", "degrees_of_freedom", "p_procedure")
    assert [found[f"{name}_income"] for name in names] == [None, None, None]
    assert 0 < found["p_trained_models_income"] < 1


def test_the_references_metrics_have_the_same_keys(read: Read, tmp_path: Path) -> None:
    write_study_metrics(tmp_path / "m", {"one": read()})
    files = [json.loads((tmp_path / f"m/one/{name}.json").read_text()) for name in LOGITS]
    assert len({tuple(tree) for tree in files}) == 1
    assert files[-1]["p_procedure_income"] is None


def test_small_p_values_do_not_become_0(read: Read, tmp_path: Path) -> None:
    table = read({"tm-1": noisy(-9.0), "mmoe": noisy(1.0), "emm": noisy(9.0)})
    write_study_metrics(tmp_path / "m", {"one": table})
    found = json.loads((tmp_path / "m/one/mmoe.json").read_text())
    assert 0 < found["p_trained_models_income"] < 1e-8
