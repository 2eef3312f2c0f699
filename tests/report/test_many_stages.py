"""The many tables, their models and their graph name the same things."""

from pathlib import Path

import pytest

from emm.config.project import load_project
from emm.data.datasets.generated import GENERATED
from emm.report.study_settings import load_study
from emm_dvc.graph import read_stages

FOLDER = Path(__file__).parents[2] / "study/tables"
STAGES = read_stages(FOLDER / "dvc.yaml")
PROJECT = load_project(FOLDER / "params.yaml")
ACTIVE = PROJECT.active
STUDY = load_study(FOLDER / "tables.yaml")
MODELS = {
    *ACTIVE.trained,
    *ACTIVE.trees,
    *ACTIVE.baselines,
    *ACTIVE.fused,
    *ACTIVE.students,
}
FUSION = PROJECT.recipe(ACTIVE.datasets[0]).section("fusion")


def deps(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith("data/")}


def test_every_dataset_has_a_table_of_its_name() -> None:
    assert {name: table.dataset for name, table in STUDY.tables.items()} == {
        name: name for name in ACTIVE.datasets
    }


@pytest.mark.parametrize("table", STUDY.tables)
def test_a_table_has_all_models(table: str) -> None:
    assert {*STUDY.tables[table].rows} == MODELS
    assert STUDY.tables[table].recipe == ACTIVE.recipe


def test_the_pool_is_what_the_recipe_fuses_and_what_is_made_of_it() -> None:
    members = {*(FUSION["networks"] or ACTIVE.trained), *FUSION["trees"]}
    taught = {name for name in ACTIVE.students if not name.endswith("_labels")}
    assert {*STUDY.pool} == members | {*ACTIVE.fused} | taught


def test_every_table_is_preprocessed() -> None:
    assert {*STAGES["preprocess"]["foreach"]} == {*ACTIVE.datasets}


@pytest.mark.parametrize("dataset", ACTIVE.datasets)
def test_a_table_is_preprocessed_from_the_rows_of_its_source(dataset: str) -> None:
    source = PROJECT.source(dataset)
    assert STAGES["preprocess"]["foreach"][dataset]["source"] == source
    assert source in STAGES["generate" if source in GENERATED else "download"]["foreach"]


@pytest.mark.parametrize("dataset", ACTIVE.datasets)
def test_all_tables_have_one_recipe(dataset: str) -> None:
    assert (FOLDER / "conf" / dataset / "default.yaml").read_text() == "base: ../default.yaml\n"


def test_a_table_waits_for_every_model() -> None:
    evaluations = {f"data/evaluation/${{item}}/default/{model}" for model in MODELS}
    own = {"data/processed/${item}/schema.json", "data/checks/${item}-seen.parquet"}
    assert deps("table") == evaluations | own


@pytest.mark.parametrize("stage", ["decompose", "student"])
def test_what_needs_the_pool_waits_for_every_member(stage: str) -> None:
    waits = {Path(dep).name for dep in deps(stage) if dep.startswith("data/models/")}
    assert waits == {*ACTIVE.trained, *ACTIVE.trees}


def test_git_has_the_folders_that_the_report_depends_on() -> None:
    for folder in ("results", "truth"):
        assert folder in STAGES["report"]["deps"]
        assert (FOLDER / folder / ".gitkeep").is_file()


def test_the_truth_of_every_generated_table_is_scored() -> None:
    assert {*STAGES["truth"]["foreach"]} == {*GENERATED} == {*STAGES["generate"]["foreach"]}
