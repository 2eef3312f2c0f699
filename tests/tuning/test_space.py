import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from emm.core.errors import DataError, ParamsError
from emm.tuning.space import Space, Trial, best_trial, load_space, read_log
from tests.configuration import CENSUS, ROOT

NETWORKS = {"learning_rate": [0.02, 0.01], "weight_decay": [0.0], "dropout": [0.1, 0.0]}
SPACE = Space(
    trials=2,
    seed=3,
    networks={**NETWORKS, "embedding_dim": [2], "dense_encoding": ["piecewise", "binned"]},
    independent=("gbdt",),
    models={
        "tm-1": {"blocks": [[[4, 3], [4, 3]], [[3, 3], [3, 3]]], "tower": [[3]]},
        "shared_bottom": {"bottom": [[4]], "tower": [[3], [4]]},
        "gbdt": {
            "learning_rate": [0.3, 0.1],
            "max_iterations": [4],
            "max_leaf_nodes": [3, 5],
            "min_samples_leaf": [10],
            "l2_regularization": [0.0],
            "patience": [2],
        },
    },
)


def lists(space: Space, model: str) -> dict[str, list[Any]]:
    shared = {} if model in space.independent else space.networks
    return {key: list(values) for key, values in {**shared, **space.models[model]}.items()}


@pytest.mark.parametrize("model", ["tm-1", "shared_bottom", "gbdt"])
@pytest.mark.parametrize("trials", [1, 3, 100])
def test_sections_are_distinct_and_start_with_the_first_values(model: str, trials: int) -> None:
    space = replace(SPACE, trials=trials)
    wanted = lists(space, model)
    possible = 1
    for values in wanted.values():
        possible *= len(values)
    sections = space.sections(model)
    assert sections[0] == {key: values[0] for key, values in wanted.items()}
    assert len(sections) == min(trials, possible)
    assert len({json.dumps(section, sort_keys=True) for section in sections}) == len(sections)
    for section in sections:
        assert section.keys() == wanted.keys()
        assert all(section[key] in values for key, values in wanted.items())


def test_the_seed_determines_the_sections() -> None:
    many = replace(SPACE, trials=5)
    assert many.sections("tm-1") == many.sections("tm-1")
    assert many.sections("tm-1") != replace(many, seed=4).sections("tm-1")


def test_an_independent_model_shares_no_lists() -> None:
    assert "dropout" not in SPACE.sections("gbdt")[0]
    assert "dropout" in replace(SPACE, independent=()).sections("gbdt")[0]


def test_a_model_without_lists_is_an_error() -> None:
    with pytest.raises(ParamsError, match="did you mean 'tm-1'"):
        SPACE.sections("tm-11")


@pytest.mark.parametrize("dataset", [CENSUS, "census-income-searched", "kuairand-pure-searched"])
def test_the_projects_own_spaces_have_the_same_number_of_trials_for_every_model(
    dataset: str,
) -> None:
    space = load_space(dataset, ROOT / "tuning.yaml")
    counts = {model: len(space.sections(model)) for model in space.models}
    assert set(counts.values()) == {space.trials}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "can't be read"),
        ("other: {}", "no dataset is called 'census-income'"),
        (
            "census-income: {trials: 0, seed: 0, networks: {}, independent: [], models: {}}",
            "trials",
        ),
        ("census-income: {trials: 1, seed: 0, networks: {}, independent: []}", "models: missing"),
        ("", "no dataset is called 'census-income'"),
        (
            "census-income: {trials: 1, seed: 0, networks: {a: []}, independent: [], models: {}}",
            r"networks\.a: got \[\], expected at least one value",
        ),
    ],
)
def test_a_damaged_space_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tuning.yaml").write_text(text)
    with pytest.raises(ParamsError, match=message):
        load_space(CENSUS, tmp_path / "tuning.yaml")


def test_a_missing_space_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="can't be read"):
        load_space(CENSUS, tmp_path / "tuning.yaml")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"trial": 1, "sec', "can't be read"),
        ('{"trial": "two", "section": {}, "auc": {}, "mean_auc": 0.5}', r"line 2\.trial"),
        ('{"trial": 1, "section": {}, "auc": {}}', r"line 2\.mean_auc: missing"),
        ("[]", "damaged: line 2"),
    ],
)
def test_a_damaged_line_is_an_error(tmp_path: Path, line: str, message: str) -> None:
    log = tmp_path / "tm-1.jsonl"
    log.write_text('{"trial": 0, "section": {}, "auc": {}, "mean_auc": 0.5}\n' + line + "\n")
    with pytest.raises(DataError, match=message):
        read_log(log)


def test_the_best_trial_is_the_first_of_equals() -> None:
    trials = [Trial(n, {}, {}, auc) for n, auc in enumerate((0.5, 0.8, 0.7, 0.8))]
    assert best_trial(trials) is trials[1]
    assert best_trial(trials[::-1]) is trials[1]


def test_yaml_reads_a_chosen_section_as_it_is_written() -> None:
    section = SPACE.sections("tm-1")[1]
    assert yaml.safe_load(yaml.safe_dump({"tm-1": section}, default_flow_style=None)) == {
        "tm-1": section
    }
