"""A study's results on generated predictions: differences, p values, files."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.ranking import auc
from emm.metrics.significance import delong_over_seeds, holm
from emm.report.facts import DatasetFacts
from emm.report.study_results import StudyTable, read_table, write_study_metrics
from emm.report.study_settings import BorrowedRow, StudyTableSettings

AUCS = {"income": [0.95, 0.96], "never-married": [0.99, 0.98]}
SETTINGS = StudyTableSettings("One", "census-income", "tuned", ("tm-1", "mmoe", "emm"), "emm")
Write = Callable[..., Path]
Read = Callable[..., StudyTable]


def noisy(strength: float, seeds: int = 2) -> Tensor:
    """Logits [S, 200, 2] that rank the generated labels better the larger ``strength`` is."""
    labels = torch.arange(400).reshape(200, 2) % 3 == 0
    noise = torch.randn(seeds, 200, 2, generator=torch.Generator().manual_seed(seeds))
    return strength * labels.float() + noise


LOGITS = {"tm-1": noisy(0.1), "mmoe": noisy(1.0), "emm": noisy(2.0)}


@pytest.fixture
def read(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Read:
    def make(
        logits: Mapping[str, Tensor] = LOGITS, settings: StudyTableSettings = SETTINGS
    ) -> StudyTable:
        for name, of_row in logits.items():
            aucs = {task: scores[:1] * len(of_row) for task, scores in AUCS.items()}
            write_evaluation(folder(tmp_path), name, aucs, logits=of_row)
        return read_table(settings, facts, tmp_path)

    return make


def folder(root: Path) -> Path:
    return root / "data/evaluation/census-income/tuned"


def test_models_are_in_the_order_of_the_table(read: Read) -> None:
    assert list(read().results) == ["tm-1", "mmoe", "emm"]


def test_equal_models_have_difference_0_and_p_1(read: Read) -> None:
    table = read(LOGITS | {"mmoe": LOGITS["emm"]})
    found = table.results["mmoe"].differences.values()
    assert [(difference.auc, difference.p) for difference in found] == [(0, 1), (0, 1)]


def test_the_reference_is_not_compared_with_itself(read: Read) -> None:
    assert read().results["emm"].differences == {}


def test_a_difference_is_the_mean_auc_minus_that_of_the_reference(read: Read) -> None:
    labels = torch.arange(400).reshape(200, 2)[:, 1] % 3 == 0
    means = {
        name: sum(auc(one[:, 1].contiguous(), labels.byte()) for one in logits) / len(logits)
        for name, logits in LOGITS.items()
    }
    found = read().results["tm-1"].differences["never-married"].auc
    assert found == pytest.approx(means["tm-1"] - means["emm"], abs=1e-8)
    assert found < 0


def test_all_models_and_tasks_are_one_family_in_holms_correction(read: Read) -> None:
    labels = (torch.arange(400).reshape(200, 2) % 3 == 0).byte()
    plain = [
        delong_over_seeds(
            LOGITS[row][:, :, task].contiguous(),
            LOGITS["emm"][:, :, task].contiguous(),
            labels[:, task],
        ).p
        for row in ("tm-1", "mmoe")
        for task in (0, 1)
    ]
    results = read().results
    found = [d.p for row in ("tm-1", "mmoe") for d in results[row].differences.values()]
    assert found == pytest.approx(holm(plain), rel=1e-5)


def test_models_may_have_different_numbers_of_seeds(read: Read) -> None:
    table = read(LOGITS | {"mmoe": noisy(1.0, seeds=3)})
    assert [r.summary.totals.seeds for r in table.results.values()] == [2, 3, 2]
    assert 0 < table.results["mmoe"].differences["income"].p < 1


def test_a_borrowed_model_is_read_from_its_own_dataset(
    read: Read, tmp_path: Path, write_evaluation: Write
) -> None:
    other = tmp_path / "data/evaluation/held-out/tuned"
    write_evaluation(other, "emm", AUCS, parameters=77, logits=LOGITS["emm"])
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


def test_metrics_files_contain_the_significance_tests(read: Read, tmp_path: Path) -> None:
    write_study_metrics(tmp_path / "m", {"one": read(LOGITS | {"mmoe": LOGITS["emm"]})})
    found = json.loads((tmp_path / "m/one/mmoe.json").read_text())
    assert found["income"]["auc"] == 0.95
    assert (found["difference_income"], found["p_value_income"]) == (0, 1)
    assert (found["operations"], found["epochs"], found["seeds"]) == (500, 3, 2)


def test_the_references_metrics_have_the_same_keys(read: Read, tmp_path: Path) -> None:
    write_study_metrics(tmp_path / "m", {"one": read()})
    files = [json.loads((tmp_path / f"m/one/{name}.json").read_text()) for name in LOGITS]
    assert len({tuple(tree) for tree in files}) == 1
    assert files[-1]["p_value_income"] is None


def test_small_p_values_do_not_become_0(read: Read) -> None:
    table = read({"tm-1": noisy(-9.0), "mmoe": noisy(1.0), "emm": noisy(9.0)})
    assert 0 <= table.results["mmoe"].differences["income"].p < 1e-8
    assert table.results["mmoe"].differences["income"].p > 0
