"""What a recipe with `defaults: auto` leaves to the table."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emm.config.binding import bind, bind_keywords
from emm.config.project import ConfigFile, Project, load_project
from emm.data.tables.schema import Split, write_schema
from emm.fusion.settings import FusedSettings
from emm.models import MODELS
from emm.training.auto import (
    Facts,
    complete_recipe,
    facts_of,
    fused_defaults,
    network_defaults,
    training_defaults,
    tree_defaults,
)
from emm.training.jobs import job_of
from emm.training.settings import OptimiserSettings, TrainingSettings
from emm.trees.settings import LIBRARIES, LightGBMSettings
from tests.configuration import CENSUS, Tree, copy_conf, edit
from tests.training.tiny import SCHEMA

NAMES = sorted(set(MODELS) - {"gbdt", "emm", "automtl", "single_task"})
SIZES = [Facts(rows, rarest, ids) for rows, rarest, ids in [(1, 0, 0), (900, 12, 50)]]
SIZES += [Facts(30_000, 4_000, 60_000), Facts(50_000_000, 200_000, 10_000_000)]


def split(rows: int, **rates: float) -> Split:
    return Split(rows, rates)


SPLITS = {
    "train": split(10_000, t0=0.3, t1=0.9),
    "validation": split(1_000, t0=0.31, t1=0.96),
    "test": split(5, t0=0.2, t1=0.2),
}


def bound(kind: Any, keys: Mapping[str, Any]) -> Any:
    errors: list[str] = []
    found = bind(kind, keys, "", errors)
    assert errors == []
    return found


@pytest.mark.parametrize("facts", SIZES, ids=str)
def test_the_defaults_of_any_table_are_valid(facts: Facts) -> None:
    training = bound(TrainingSettings, training_defaults(facts))
    assert training.batch_size >= 2
    assert training.max_epochs <= training.patience
    for library, settings in LIBRARIES.items():
        bound(settings, tree_defaults(facts, library))
    for name in [*NAMES, "single_task"]:
        errors: list[str] = []
        keys = network_defaults(facts, name)
        given = ("funnel", "given_click", "fields", "outputs")
        bind_keywords(MODELS[name], keys, "m", errors, given=given, settings=OptimiserSettings)
        assert errors == []
    for variant in ("aligned", "paper", "ensemble"):
        errors = []
        keys = {"variant": variant, **fused_defaults(facts, variant)}
        bind_keywords(
            MODELS["emm"], keys, "m", errors, given=("pool", "outputs"), settings=FusedSettings
        )
        assert errors == []


def test_few_rows_have_small_trees_and_sets_of_rare_ids() -> None:
    few, many = (tree_defaults(Facts(rows, 200, 100), "lightgbm") for rows in (5_000, 50_000))
    assert few["max_leaf_nodes"] < many["max_leaf_nodes"]
    assert few["category_smoothing"] < LightGBMSettings().category_smoothing
    assert "category_smoothing" not in many
    few, many = (tree_defaults(Facts(rows, 200, 100), "catboost") for rows in (5_000, 50_000))
    assert few["depth"] < many["depth"]


def test_a_rare_class_has_more_epochs_and_the_loss_chooses_among_them() -> None:
    common, rare = (training_defaults(Facts(5_000, rarest, 100)) for rarest in (100, 99))
    assert (common["choose_by"], rare["choose_by"]) == ("score", "loss")
    assert rare["max_epochs"] > common["max_epochs"]


def test_more_rows_have_larger_batches_and_not_more_epochs() -> None:
    found = [training_defaults(Facts(rows, rows // 10, 100)) for rows in (500, 10**4, 10**6, 10**8)]
    batches = [each["batch_size"] for each in found]
    epochs = [each["max_epochs"] for each in found]
    assert batches == sorted(batches)
    assert epochs == sorted(epochs, reverse=True)
    assert batches[0] < batches[-1]
    assert epochs[0] > epochs[-1] >= 2


def test_facts_come_from_the_splits_that_train_and_choose() -> None:
    schema = replace(SCHEMA, splits=SPLITS)
    assert facts_of(schema) == Facts(rows=10_000, rarest=40, ids=4)
    kinds = {"t0": "classes", "t1": "regression"}
    classes = replace(
        schema,
        kinds=kinds,
        splits={
            "train": Split(10_000, {}),
            "validation": Split(
                1_000, {}, class_rates={"t0": (0.5, 0.49, 0.01)}, labelled={"t0": 900}
            ),
        },
    )
    assert facts_of(classes).rarest == 9
    splits = {**classes.splits, "validation": Split(1_000, {})}
    regressions = {"t0": "regression", "t1": "regression"}
    assert facts_of(replace(classes, kinds=regressions, splits=splits)).rarest == 1_000


@pytest.fixture
def project(tmp_path: Path) -> Project:
    params = copy_conf(tmp_path)
    edit(params, lambda tree: tree.update(recipe="default"))
    project = load_project(params)
    schema = project.paths(CENSUS).schema
    schema.parent.mkdir(parents=True)
    write_schema(replace(SCHEMA, splits=SPLITS), schema)
    return project


def change(project: Project, section: str, **keys: object) -> None:
    def update(tree: Tree) -> None:
        for part in section.split("."):
            tree = tree[part]
        tree.update(keys)

    edit(project.conf / f"{CENSUS}/default.yaml", update)


FACTS = Facts(10_000, 40, 4)


def test_what_the_recipe_has_replaces_what_the_table_determines(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    change(project, "training", max_epochs=5)
    change(project, "train.mmoe", experts=3)
    recipe = complete_recipe(project, CENSUS)
    training = recipe.read("training", TrainingSettings)
    rule = training_defaults(FACTS)
    assert training.max_epochs == 5
    assert training.batch_size == rule["batch_size"]
    shown = f"batch_size {rule['batch_size']}, max_epochs 5, choose_by loss for 10,000 rows"
    assert shown in capsys.readouterr().err
    assert recipe.section("train.mmoe") == {**network_defaults(FACTS, "mmoe"), "experts": 3}
    assert recipe.section("train.gbdt") == tree_defaults(FACTS, "lightgbm")
    assert recipe.section("pretrain.tm-2")["dense_encoding"] == "binned"
    assert "blocks" in recipe.section("pretrain.tm-2")


@pytest.mark.parametrize("model", ["tm-1", "mmoe", "gbdt", "emm", "emm_paper", "ensemble"])
def test_the_training_of_every_kind_of_model_is_that_of_the_table(
    project: Project, model: str
) -> None:
    training = job_of(project, CENSUS, model).training
    rule = training_defaults(FACTS)
    assert {key: getattr(training, key) for key in rule} == rule


def test_a_searched_model_trains_by_the_table_too(project: Project) -> None:
    edit(project.file, lambda tree: tree.update(searched=["automtl"]))
    change(project, "train", automtl={})
    training = job_of(load_project(project.file), CENSUS, "automtl").training
    assert training.batch_size == training_defaults(FACTS)["batch_size"]


def test_a_student_has_the_defaults_of_its_network(project: Project) -> None:
    edit(project.file, lambda tree: tree.update(students=["student"]))
    own = {"network": "ple", "teacher": "pool", "levels": 2}
    change(project, "train", student=own)
    project = load_project(project.file)
    found = complete_recipe(project, CENSUS).section("train.student")
    assert found == {**network_defaults(FACTS, "ple"), **own}
    assert job_of(project, CENSUS, "student").training.max_epochs == 9


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_other_recipes_read_no_data_and_stay_as_they_are(project: Project, recipe: str) -> None:
    project.paths(CENSUS).schema.unlink()
    other = replace(project, active=replace(project.active, recipe=recipe))
    assert complete_recipe(other, CENSUS) == ConfigFile(project.conf / f"{CENSUS}/{recipe}.yaml")
