"""Trials and their log; training is replaced by a function of the settings."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from emm.config.project import Project, load_project
from emm.core.errors import DataError, ParamsError
from emm.training.settings import TrainingSettings
from emm.tuning import tune as module
from emm.tuning.space import Space, best_trial, read_log
from emm.tuning.tune import tune
from tests.configuration import CENSUS, copy_conf, edit
from tests.tuning.test_space import SPACE

PROTOCOL = TrainingSettings((0,), 128, 1, 1, "cpu", 1, optimiser="adamw", ema_decay=0.5)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project's own configuration with a quick protocol; `scored` replaces training."""
    monkeypatch.setattr(module, "open_context", lambda *_: None)
    monkeypatch.setattr(module, "train_trial", lambda *arguments: scored(*arguments[4:]))
    return quick(tmp_path)


def quick(root: Path, **lists: Any) -> Project:
    """A copy of the configuration in ``root``, with other ``lists`` and a quick protocol."""
    params = copy_conf(root)
    edit(params, lambda tree: tree.update(lists))
    training = json.loads(json.dumps(asdict(PROTOCOL)))
    edit(root / f"conf/{CENSUS}/tuned.yaml", lambda tree: tree.update(training=training))
    return load_project(params, "tuned")


def scored(section: Mapping[str, Any], seed: int = SPACE.seed) -> dict[str, float]:
    """A score of each task, computed from the section and the seed."""
    digits = sum(map(ord, json.dumps(section, sort_keys=True))) % 97
    return {"income": 0.5 + digits / 200, "never-married": 0.7 + (seed - SPACE.seed) / 100}


def test_tuning_writes_one_line_per_trial(project: Project, tmp_path: Path) -> None:
    space, log = replace(SPACE, trials=4), tmp_path / "logs/deep/tm-1.jsonl"
    best = tune(project, CENSUS, "tm-1", space, log)
    trials = read_log(log)
    assert [trial.trial for trial in trials] == [0, 1, 2, 3]
    assert [trial.section for trial in trials] == space.sections("tm-1")
    assert [trial.auc for trial in trials] == [scored(s) for s in space.sections("tm-1")]
    assert [trial.mean_auc for trial in trials] == [sum(t.auc.values()) / 2 for t in trials]
    assert best == best_trial(trials)


def test_a_trial_holds_means_over_its_seeds(project: Project, tmp_path: Path) -> None:
    tune(project, CENSUS, "tm-1", replace(SPACE, seeds=3), tmp_path / "tm-1.jsonl")
    for trial in read_log(tmp_path / "tm-1.jsonl"):
        income = scored(trial.section)["income"]
        assert trial.auc == pytest.approx({"income": income, "never-married": 0.71})
        assert trial.mean_auc == pytest.approx((income + 0.71) / 2)
        by_seed = [(income + never_married) / 2 for never_married in (0.7, 0.71, 0.72)]
        assert trial.by_seed == pytest.approx(by_seed)


@pytest.mark.parametrize("done", [0, 1, 3, 4])
def test_tuning_resumes_where_its_log_ends(project: Project, tmp_path: Path, done: int) -> None:
    space, whole, cut = replace(SPACE, trials=4), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    best = tune(project, CENSUS, "tm-1", space, whole)
    lines = whole.read_text().splitlines(keepends=True)
    cut.write_text("".join(lines[:done]))
    assert tune(project, CENSUS, "tm-1", space, cut) == best
    assert cut.read_bytes() == whole.read_bytes()


def test_trials_of_a_log_are_not_repeated(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, log = replace(SPACE, trials=4), tmp_path / "tm-1.jsonl"
    tune(project, CENSUS, "tm-1", replace(space, trials=3), log)
    tried: list[Mapping[str, Any]] = []

    def record(*arguments: Any) -> dict[str, float]:
        tried.append(arguments[4])
        return scored(arguments[4])

    monkeypatch.setattr(module, "train_trial", record)
    tune(project, CENSUS, "tm-1", replace(space, trials=3), log)
    assert tried == []


RULES = [{"rule": "equal"}, {"rule": "uncertainty"}, {"rule": "stch", "mu": 0.5}]


def with_rules(*rules: Mapping[str, Any]) -> Space:
    lists = {**SPACE.models["shared_bottom"], "weighting": list(rules)}
    return replace(SPACE, trials=20, models={"shared_bottom": lists})


def test_rules_of_loss_weighting_are_tried(project: Project, tmp_path: Path) -> None:
    tune(project, CENSUS, "shared_bottom", with_rules(*RULES), tmp_path / "log.jsonl")
    tried = [trial.section["weighting"] for trial in read_log(tmp_path / "log.jsonl")]
    assert tried[0] == RULES[0]
    assert all(rule in tried for rule in RULES)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"rule": "famous"}, "did you mean 'famo'"),
        ({"rule": "stch", "nu": 0.5}, r"weighting\.nu: unknown key"),
    ],
)
def test_a_wrong_rule_is_refused_before_the_first_trial(
    project: Project, tmp_path: Path, rule: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        tune(project, CENSUS, "shared_bottom", with_rules(*RULES, rule), tmp_path / "log.jsonl")
    assert not (tmp_path / "log.jsonl").exists()


def test_a_log_of_other_lists_is_refused(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "tm-1.jsonl"
    tune(project, CENSUS, "tm-1", SPACE, log)
    before = log.read_bytes()
    other = replace(SPACE, networks={**SPACE.networks, "learning_rate": [0.5]})
    with pytest.raises(DataError, match="trials of other lists"):
        tune(project, CENSUS, "tm-1", other, log)
    assert log.read_bytes() == before


def test_a_log_of_another_number_of_seeds_is_refused(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "tm-1.jsonl"
    tune(project, CENSUS, "tm-1", SPACE, log)
    with pytest.raises(DataError, match="another number of seeds"):
        tune(project, CENSUS, "tm-1", replace(SPACE, seeds=2), log)


def test_a_log_without_seeds_has_a_single_seed(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "tm-1.jsonl"
    best = tune(project, CENSUS, "tm-1", SPACE, log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    without = [{key: value for key, value in line.items() if key != "by_seed"} for line in lines]
    log.write_text("".join(json.dumps(line) + "\n" for line in without))
    assert tune(project, CENSUS, "tm-1", SPACE, log).section == best.section


def test_a_log_with_more_trials_than_the_space_is_refused(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "tm-1.jsonl"
    tune(project, CENSUS, "tm-1", SPACE, log)
    with pytest.raises(DataError, match="trials of other lists"):
        tune(project, CENSUS, "tm-1", replace(SPACE, trials=1), log)
