import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from emm import search as module
from emm.core.errors import DataError, ParamsError
from emm.params import Params, RecipeParams, TrainingParams, load_params
from emm.search import Space, Trial, best_trial, load_space, read_log, search

ROOT = Path(__file__).parent.parent
CENSUS = "census-income"
NETWORKS = {"learning_rate": [0.02, 0.01], "weight_decay": [0.0], "dropout": [0.1, 0.0]}
PROTOCOL = TrainingParams((0,), 128, 1, 1, "cpu", 1, optimiser="adamw", average=0.5)
SPACE = Space(
    trials=2,
    seed=3,
    networks={**NETWORKS, "embedding_dim": [2], "dense_encoding": ["piecewise", "binned"]},
    alone=("gbdt",),
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
    shared = {} if model in space.alone else space.networks
    return {key: list(values) for key, values in {**shared, **space.models[model]}.items()}


@pytest.mark.parametrize("model", ["tm-1", "shared_bottom", "gbdt"])
@pytest.mark.parametrize("trials", [1, 3, 100])
def test_sections_are_distinct_and_begin_with_the_starting_point(model: str, trials: int) -> None:
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


def test_the_seed_draws_the_sections() -> None:
    many = replace(SPACE, trials=5)
    assert many.sections("tm-1") == many.sections("tm-1")
    assert many.sections("tm-1") != replace(many, seed=4).sections("tm-1")


def test_what_stands_alone_shares_no_lists() -> None:
    assert "dropout" not in SPACE.sections("gbdt")[0]
    assert "dropout" in replace(SPACE, alone=()).sections("gbdt")[0]


def test_a_model_without_lists_is_an_error() -> None:
    with pytest.raises(ParamsError, match="did you mean 'tm-1'"):
        SPACE.sections("tm-11")


@pytest.mark.parametrize("dataset", [CENSUS, "census-income-searched", "kuairand-pure-searched"])
def test_the_projects_own_spaces_give_every_model_as_many_trials(dataset: str) -> None:
    space = load_space(dataset, ROOT / "search.yaml")
    counts = {model: len(space.sections(model)) for model in space.models}
    assert set(counts.values()) == {space.trials}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "can't be read"),
        ("other: {}", "no dataset is called 'census-income'"),
        ("census-income: {trials: 0, seed: 0, networks: {}, alone: [], models: {}}", "trials"),
        ("census-income: {trials: 1, seed: 0, networks: {}, alone: []}", "models: missing"),
        ("", "no dataset is called 'census-income'"),
        (
            "census-income: {trials: 1, seed: 0, networks: {a: []}, alone: [], models: {}}",
            r"networks\.a: got \[\], expected at least one value",
        ),
    ],
)
def test_a_damaged_space_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "search.yaml").write_text(text)
    with pytest.raises(ParamsError, match=message):
        load_space(CENSUS, tmp_path / "search.yaml")


def test_an_absent_space_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="can't be read"):
        load_space(CENSUS, tmp_path / "search.yaml")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The project's, with a quick protocol; trials say what `scored` says."""
    monkeypatch.setattr(module, "set_up", lambda *_: None)
    monkeypatch.setattr(module, "_try", lambda *arguments: scored(arguments[4]))
    return quick(tmp_path)


def quick(root: Path) -> Params:
    own = load_params(ROOT / "params.yaml", "tuned")
    block = own.dataset(CENSUS)
    assert block.tuned is not None
    recipe: RecipeParams = replace(block.tuned, training=PROTOCOL)
    return replace(own, root=root, blocks={CENSUS: replace(block, tuned=recipe)})


def scored(section: Mapping[str, Any]) -> dict[str, float]:
    """A score of each task that only the section decides."""
    digits = sum(map(ord, json.dumps(section, sort_keys=True))) % 97
    return {"income": 0.5 + digits / 200, "never-married": 0.7}


def test_a_search_writes_a_line_a_trial(params: Params, tmp_path: Path) -> None:
    space, log = replace(SPACE, trials=4), tmp_path / "logs/deep/tm-1.jsonl"
    best = search(params, CENSUS, "tm-1", space, log)
    trials = read_log(log)
    assert [trial.trial for trial in trials] == [0, 1, 2, 3]
    assert [trial.section for trial in trials] == space.sections("tm-1")
    assert [trial.auc for trial in trials] == [scored(s) for s in space.sections("tm-1")]
    assert [trial.mean_auc for trial in trials] == [sum(t.auc.values()) / 2 for t in trials]
    assert best == best_trial(trials)


@pytest.mark.parametrize("done", [0, 1, 3, 4])
def test_a_search_goes_on_where_its_log_ended(params: Params, tmp_path: Path, done: int) -> None:
    space, whole, cut = replace(SPACE, trials=4), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    best = search(params, CENSUS, "tm-1", space, whole)
    lines = whole.read_text().splitlines(keepends=True)
    cut.write_text("".join(lines[:done]))
    assert search(params, CENSUS, "tm-1", space, cut) == best
    assert cut.read_bytes() == whole.read_bytes()


def test_trials_of_a_log_are_not_tried_again(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, log = replace(SPACE, trials=4), tmp_path / "tm-1.jsonl"
    search(params, CENSUS, "tm-1", replace(space, trials=3), log)
    tried: list[Mapping[str, Any]] = []

    def record(*arguments: Any) -> dict[str, float]:
        tried.append(arguments[4])
        return scored(arguments[4])

    monkeypatch.setattr(module, "_try", record)
    search(params, CENSUS, "tm-1", replace(space, trials=3), log)
    assert tried == []


def test_a_log_of_other_lists_is_refused(params: Params, tmp_path: Path) -> None:
    log = tmp_path / "tm-1.jsonl"
    search(params, CENSUS, "tm-1", SPACE, log)
    before = log.read_bytes()
    other = replace(SPACE, networks={**SPACE.networks, "learning_rate": [0.5]})
    with pytest.raises(DataError, match="trials of other lists"):
        search(params, CENSUS, "tm-1", other, log)
    assert log.read_bytes() == before


def test_a_log_with_more_trials_than_the_space_is_refused(params: Params, tmp_path: Path) -> None:
    log = tmp_path / "tm-1.jsonl"
    search(params, CENSUS, "tm-1", SPACE, log)
    with pytest.raises(DataError, match="trials of other lists"):
        search(params, CENSUS, "tm-1", replace(SPACE, trials=1), log)


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


def test_a_chosen_section_is_written_as_yaml_reads_it() -> None:
    section = SPACE.sections("tm-1")[1]
    assert yaml.safe_load(yaml.safe_dump({"tm-1": section}, default_flow_style=None)) == {
        "tm-1": section
    }
