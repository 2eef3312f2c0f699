"""Summaries over seeds and their metrics files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.report.results import ModelResults, read_results
from emm.report.summary import read_metrics, summarise, write_metrics

TASKS = ("income", "never-married")
ONE_SEED = {
    "tm-1": {"income": [0.94], "never-married": [0.99]},
    "tm-2": {"income": [0.96], "never-married": [0.97]},
    "emm": {"income": [0.955], "never-married": [0.98]},
}
Make = Callable[[dict[str, dict[str, list[float]]]], list[ModelResults]]


@pytest.fixture
def results(tmp_path: Path, write_evaluation: Callable[..., Path]) -> Make:
    def make(aucs: dict[str, dict[str, list[float]]]) -> list[ModelResults]:
        return [read_results(m, write_evaluation(tmp_path, m, aucs[m]), TASKS) for m in aucs]

    return make


def test_gain_is_relative_to_the_mean_of_the_trained_models(results: Make) -> None:
    summaries = summarise(results(ONE_SEED), ("tm-1", "tm-2"))
    gains = {name: summary.tasks["income"].auc_gain for name, summary in summaries.items()}
    assert gains == {"tm-1": -0.01, "tm-2": 0.01, "emm": 0.005}
    assert summaries["emm"].tasks["never-married"].auc_gain == 0


def test_without_trained_models_there_is_no_gain(results: Make) -> None:
    assert summarise(results(ONE_SEED), ())["emm"].tasks["income"].auc_gain is None


def test_one_seed_has_no_deviation(results: Make) -> None:
    assert summarise(results(ONE_SEED), ())["emm"].tasks["income"].auc_std is None


def test_seeds_are_averaged_with_the_sample_deviation(results: Make) -> None:
    aucs = {"emm": {"income": [0.91, 0.92, 0.96], "never-married": [0.99, 0.99, 0.99]}}
    summary = summarise(results(aucs), ())["emm"]
    assert summary.tasks["income"].auc == 0.93
    assert summary.tasks["income"].auc_std == 0.02645751  # sqrt((4 + 1 + 9) / 2) hundredths
    assert summary.tasks["never-married"].auc_std == 0
    assert (summary.totals.mean_score, summary.totals.seeds) == (0.96, 3)


def test_a_trained_model_without_a_row_is_an_error(results: Make) -> None:
    with pytest.raises(DataError, match="trained model tm-3, which isn't in the table"):
        summarise(results(ONE_SEED), ("tm-1", "tm-3"))


def test_a_models_metrics_file(results: Make, tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics", summarise(results(ONE_SEED), ("tm-1", "tm-2")))
    assert json.loads((tmp_path / "metrics/emm.json").read_text()) == {
        "income": {
            "auc": 0.955,
            "auc_std": None,
            "auc_gain": 0.005,
            "logloss": 0.25,
            "ece": 0.0125,
        },
        "never-married": {
            "auc": 0.98,
            "auc_std": None,
            "auc_gain": 0,
            "logloss": 0.25,
            "ece": 0.0125,
        },
        "mean_auc": 0.9675,
        "parameters": 1000,
        "operations": 500,
        "seeds": 1,
        "best_epoch": 2,
    }


def test_the_file_of_a_removed_model_is_deleted(results: Make, tmp_path: Path) -> None:
    summaries = summarise(results(ONE_SEED), ())
    write_metrics(tmp_path / "metrics", summaries)
    write_metrics(tmp_path / "metrics", {"emm": summaries["emm"]})
    assert [path.name for path in (tmp_path / "metrics").iterdir()] == ["emm.json"]


def test_written_metrics_can_be_read_again(results: Make, tmp_path: Path) -> None:
    summaries = summarise(results(ONE_SEED), ("tm-1", "tm-2"))
    write_metrics(tmp_path / "metrics", summaries)
    assert read_metrics(tmp_path / "metrics", list(summaries)) == summaries


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "emm.json is missing"),
        ("[1]", "has unexpected content"),
        ('{"income": {"auc": 0.9}}', "income.auc_std: missing"),
        (
            '{"mean_auc": 0.9, "parameters": 1, "operations": 1, "seeds": 1, "best_epoch": 1}',
            "has other tasks",
        ),
    ],
)
def test_an_invalid_metrics_file_is_an_error(
    results: Make, tmp_path: Path, content: str | None, message: str
) -> None:
    write_metrics(tmp_path / "metrics", summarise(results(ONE_SEED), ()))
    path = tmp_path / "metrics/emm.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_metrics(tmp_path / "metrics", ["tm-1", "emm"])
