"""Searches that train, and whether params.yaml holds what the project's own have chosen."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.space import ARCHITECTURE, Architecture, Expert, plain, write_architecture
from emm.config import OptimiserSettings, Params, RecipeParams, load_params
from emm.core.errors import ModelFileError
from emm.models.shared_bottom import SharedBottom
from emm.models.single_task import SingleTask
from emm.training.context import TrainingContext, open_context, schedule_of
from emm.training.fit import fit
from emm.training.seeds import seed_init
from emm.trees.gbdt import Boosting
from emm.trees.gbdt import fit as boost
from emm.tuning.space import best_trial, log_of, read_log
from emm.tuning.tune import tune
from tests.training.tiny import TASKS, save_processed
from tests.tuning.test_space import CENSUS, ROOT, SPACE
from tests.tuning.test_tune import PROTOCOL, quick


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with processed data; nobody needs its test rows, and there are none."""
    root = tmp_path_factory.mktemp("searched")
    save_processed(quick(root).paths(CENSUS).processed)
    return root


@pytest.fixture
def context(processed: Path) -> TrainingContext:
    return open_context(quick(processed).paths(CENSUS).processed, "tuned", PROTOCOL)


def split(section: Mapping[str, Any]) -> tuple[OptimiserSettings, dict[str, Any]]:
    """The optimiser's part of a section, and the network's."""
    own = dict(section)
    return OptimiserSettings(own.pop("learning_rate"), own.pop("weight_decay")), own


def by_hand(
    params: Params, context: TrainingContext, model: str, section: Mapping[str, Any]
) -> list[float]:
    """Best validation AUC of each task of one trial."""
    if model == "gbdt":
        _, runs = boost(
            context.train, context.validation, context.inputs, Boosting(**section), seed=3
        )
        return [max(iteration.score for iteration in run.iterations) for run in runs]
    optimiser, arguments = split(section)
    schedule = schedule_of(params.recipe_of(CENSUS).training, optimiser)
    if model == "shared_bottom":
        seed_init(3, model)
        network = SharedBottom(context.inputs, 2, **arguments)
        tables = context.train, context.validation
        return list(fit(network, *tables, schedule, seed=3, names=(model,))[0].scores)
    found = []
    for number, task in enumerate(TASKS):
        seed_init(3, model, task)
        single = SingleTask(context.inputs, 1, **arguments)
        tables = context.train.task(number), context.validation.task(number)
        found += fit(single, *tables, schedule, seed=3, names=(model, task))[0].scores
    return found


@pytest.mark.parametrize("model", ["tm-1", "shared_bottom", "gbdt"])
def test_a_trial_is_a_training_on_validation(
    processed: Path, context: TrainingContext, tmp_path: Path, model: str
) -> None:
    params, log = quick(processed), tmp_path / f"{model}.jsonl"
    tune(params, CENSUS, model, SPACE, log)
    trials = read_log(log)
    assert len(trials) == 2
    for trial in trials:
        assert list(trial.auc) == list(TASKS)
        assert list(trial.auc.values()) == by_hand(params, context, model, trial.section)


def searched_row(processed: Path) -> Params:
    """The project's params with a row whose architecture is searched for."""
    return replace(quick(processed), searched=("found",))


def test_a_trial_of_a_searched_row_trains_the_architecture_that_was_found(
    processed: Path, context: TrainingContext, tmp_path: Path
) -> None:
    params, log = searched_row(processed), tmp_path / "found.jsonl"
    experts = Expert(("identity",), fields=(0, 1)), Expert(("mlp-16",), fields=(2,))
    found = Architecture(3, (experts,), tasks=((0,), (0, 1)))
    folder = params.paths(CENSUS).architecture("found")
    folder.mkdir(parents=True)
    write_architecture(folder / ARCHITECTURE, found, field_names(context.schema), TASKS)
    space = replace(SPACE, trials=1, models={"found": {"tower": [[3]]}})
    tune(params, CENSUS, "found", space, log)
    (trial,) = read_log(log)
    optimiser, arguments = split(trial.section)
    seed_init(3, "found")
    network = AutoMTL(context.inputs, 2, architecture=plain(found), **arguments)
    schedule = schedule_of(params.recipe_of(CENSUS).training, optimiser)
    (epoch,) = fit(network, context.train, context.validation, schedule, seed=3, names=("found",))
    assert list(trial.auc.values()) == list(epoch.scores)


def test_a_searched_row_without_an_architecture_is_an_error(
    processed: Path, tmp_path: Path
) -> None:
    params = replace(searched_row(processed), recipe="paper")
    space = replace(SPACE, models={"found": {"tower": [[3]]}})
    with pytest.raises(ModelFileError, match="found has no architecture yet"):
        tune(params, CENSUS, "found", space, tmp_path / "found.jsonl")


def disagreements(recipe: RecipeParams, logs: Path) -> list[str]:
    """Keys of the recipe that aren't those of the best trial of their model's log."""
    found = []
    for log in sorted(logs.glob("*.jsonl")):
        best = best_trial(read_log(log))
        section = {**recipe.pretrain, **recipe.train}.get(log.stem)
        if section is None:
            found.append(log.stem)
            continue
        found += [f"{log.stem}.{k}" for k, v in best.section.items() if section.get(k) != v]
    return found


@pytest.mark.parametrize(
    ("file", "dataset"),
    [
        ("params.yaml", CENSUS),
        ("study/automtl.yaml", "census-income-searched"),
        ("study/automtl.yaml", "kuairand-pure-searched"),
    ],
)
def test_the_tuned_recipe_is_what_the_searches_chose(file: str, dataset: str) -> None:
    logs = (ROOT / log_of(dataset, "any")).parent
    assert list(logs.glob("*.jsonl"))
    assert disagreements(load_params(ROOT / file, "tuned").recipe_of(dataset), logs) == []


def test_a_recipe_that_disagrees_with_a_log_is_found_out(tmp_path: Path) -> None:
    recipe = load_params(ROOT / "params.yaml", "tuned").recipe_of(CENSUS)
    lines = [
        {"trial": n, "section": {"learning_rate": rate, "tower": [8]}, "auc": {}, "mean_auc": auc}
        for n, (rate, auc) in enumerate([(0.5, 0.8), (0.25, 0.9)])
    ]
    for model in ("good", "bad", "absent"):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{model}.jsonl").write_text(text)
    sections = {
        "good": {"learning_rate": 0.25, "tower": [8]},
        "bad": {"learning_rate": 0.5, "tower": [8]},
    }
    altered = replace(recipe, pretrain={}, train=sections)
    assert disagreements(altered, tmp_path) == ["absent", "bad.learning_rate"]
