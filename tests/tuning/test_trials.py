"""Trials with real training, and a check that tuned recipes equal the best trials of the logs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.space import ARCHITECTURE, Architecture, Expert, plain, write_architecture
from emm.config.project import ConfigFile, Project, load_project
from emm.core.errors import ModelFileError
from emm.models.shared_bottom import SharedBottom
from emm.models.single_task import SingleTask
from emm.structures.tabm import TabM
from emm.training.context import TrainingContext, open_context, schedule_of
from emm.training.fit import Schedule, fit
from emm.training.seeds import seed_init
from emm.training.settings import OptimiserSettings, TrainingSettings
from emm.trees.gbdt import fit as boost
from emm.trees.settings import read_boosting
from emm.tuning.space import best_trial, log_of, read_log
from emm.tuning.trial import train_trial
from emm.tuning.tune import tune
from tests.configuration import CENSUS, ROOT, edit
from tests.training import partly
from tests.training.tiny import TASKS, save_processed
from tests.tuning.test_space import SPACE
from tests.tuning.test_tune import PROTOCOL, quick


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with processed data but no test rows, and with a searched model."""
    found = quick(tmp_path_factory.mktemp("tuned"), searched=["found"])
    save_processed(found.paths(CENSUS).processed)
    return found


@pytest.fixture
def context(project: Project) -> TrainingContext:
    return open_context(project.paths(CENSUS).processed, "tuned", PROTOCOL)


def schedule(project: Project, context: TrainingContext, optimiser: OptimiserSettings) -> Schedule:
    training = project.recipe(CENSUS).read("training", TrainingSettings)
    return schedule_of(training, optimiser, context.schema)


def split(section: Mapping[str, Any]) -> tuple[OptimiserSettings, dict[str, Any]]:
    """The optimiser settings and the network arguments of a section."""
    own = dict(section)
    return OptimiserSettings(own.pop("learning_rate"), own.pop("weight_decay")), own


def by_hand(
    project: Project, context: TrainingContext, model: str, section: Mapping[str, Any]
) -> list[float]:
    """Best validation AUC of each task of one trial."""
    if model == "gbdt":
        boosting = read_boosting(section, model, "the space")
        _, runs = boost(context.train, context.validation, context.inputs, boosting, seed=3)
        return [max(iteration.score for iteration in run.iterations) for run in runs]
    optimiser, arguments = split(section)
    plan = schedule(project, context, optimiser)
    if model == "shared_bottom":
        seed_init(3, model)
        network = SharedBottom(context.inputs, 2, **arguments)
        tables = context.train, context.validation
        return list(fit(network, *tables, plan, seed=3, names=(model,))[0].scores)
    found = []
    for number, task in enumerate(TASKS):
        seed_init(3, model, task)
        single = SingleTask(context.inputs, 1, **arguments)
        tables = context.train.task(number), context.validation.task(number)
        found += fit(single, *tables, plan, seed=3, names=(model, task))[0].scores
    return found


@pytest.mark.parametrize("model", ["tm-1", "shared_bottom", "gbdt"])
def test_a_trial_is_a_training_scored_on_validation(
    project: Project, context: TrainingContext, tmp_path: Path, model: str
) -> None:
    log = tmp_path / f"{model}.jsonl"
    tune(project, CENSUS, model, SPACE, log)
    trials = read_log(log)
    assert len(trials) == 2
    for trial in trials:
        assert list(trial.auc) == list(TASKS)
        assert list(trial.auc.values()) == by_hand(project, context, model, trial.section)


@pytest.mark.parametrize("model", ["tm-1", "shared_bottom", "gbdt"])
def test_a_trial_scores_classes_and_labelled_rows(project: Project, model: str) -> None:
    section = SPACE.sections(model)[0]
    found = train_trial(partly.CONTEXT, project, CENSUS, model, section, 3)
    assert tuple(found) == partly.TASKS
    if model != "tm-1":
        return
    optimiser, arguments = split(section)
    grade = partly.CONTEXT.task(1)
    seed_init(3, model, "grade")
    network = SingleTask(grade.inputs, 1, outputs=(3,), **arguments)
    plan = schedule(project, partly.CONTEXT, optimiser)
    (epoch,) = fit(network, grade.train, grade.validation, plan, seed=3, names=(model, "grade"))
    assert found["grade"] == epoch.scores[0]


def test_a_trial_of_a_structure_trains_its_network(
    project: Project, context: TrainingContext, tmp_path: Path
) -> None:
    active = replace(project.active, trained=("uncut",))
    tree = {"network": "tabm", "learning_rate": 0.01, "heads": 2, "layers": [4]}
    space = replace(
        SPACE, trials=1, networks={}, models={"uncut": {k: [v] for k, v in tree.items()}}
    )
    edit(project.conf / CENSUS / "tuned.yaml", lambda t: t["pretrain"].update(uncut=tree))
    tune(replace(project, active=active), CENSUS, "uncut", space, tmp_path / "uncut.jsonl")
    (trial,) = read_log(tmp_path / "uncut.jsonl")
    plan = schedule(project, context, OptimiserSettings(0.01))
    for number, task in enumerate(TASKS):
        seed_init(3, "uncut", task)
        network = TabM(context.inputs, 1, heads=2, layers=[4])
        tables = context.train.task(number), context.validation.task(number)
        (epoch,) = fit(network, *tables, plan, seed=3, names=("uncut", task))
        assert trial.auc[task] == epoch.scores[0]


def test_a_trial_of_a_searched_model_trains_the_architecture_that_was_found(
    project: Project, context: TrainingContext, tmp_path: Path
) -> None:
    log = tmp_path / "found.jsonl"
    experts = Expert(("identity",), fields=(0, 1)), Expert(("mlp-16",), fields=(2,))
    found = Architecture(3, (experts,), tasks=((0,), (0, 1)))
    folder = project.paths(CENSUS).architecture("found")
    folder.mkdir(parents=True)
    write_architecture(folder / ARCHITECTURE, found, field_names(context.schema), TASKS)
    space = replace(SPACE, trials=1, models={"found": {"tower": [[3]]}})
    tune(project, CENSUS, "found", space, log)
    (trial,) = read_log(log)
    optimiser, arguments = split(trial.section)
    seed_init(3, "found")
    network = AutoMTL(context.inputs, 2, architecture=plain(found), **arguments)
    plan = schedule(project, context, optimiser)
    (epoch,) = fit(network, context.train, context.validation, plan, seed=3, names=("found",))
    assert list(trial.auc.values()) == list(epoch.scores)


def test_a_searched_model_without_an_architecture_is_an_error(
    project: Project, tmp_path: Path
) -> None:
    paper = replace(project, active=replace(project.active, recipe="paper"))
    space = replace(SPACE, models={"found": {"tower": [[3]]}})
    with pytest.raises(ModelFileError, match="found has no architecture yet"):
        tune(paper, CENSUS, "found", space, tmp_path / "found.jsonl")


def disagreements(recipe: ConfigFile, logs: Path) -> list[str]:
    """Keys of the recipe that aren't those of the best trial of their model's log."""
    sections = {**recipe.section("pretrain"), **recipe.section("train")}
    found = []
    for log in sorted(logs.glob("*.jsonl")):
        best = best_trial(read_log(log))
        section = sections.get(log.stem)
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
def test_the_tuned_recipe_is_what_the_logs_chose(file: str, dataset: str) -> None:
    logs = (ROOT / log_of(dataset, "any")).parent
    assert list(logs.glob("*.jsonl"))
    assert disagreements(load_project(ROOT / file, "tuned").recipe(dataset), logs) == []


def test_a_recipe_that_disagrees_with_a_log_is_found(tmp_path: Path) -> None:
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
    (tmp_path / "tuned.yaml").write_text(json.dumps({"pretrain": {}, "train": sections}))
    recipe = ConfigFile(tmp_path / "tuned.yaml")
    assert disagreements(recipe, tmp_path) == ["absent", "bad.learning_rate"]
