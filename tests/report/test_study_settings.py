"""Reading and validating the tables of a study."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from emm.config.project import load_project
from emm.core.errors import ParamsError
from emm.report.study_settings import load_study
from tests.configuration import ROOT

TABLE = {
    "title": "One",
    "dataset": "census-income",
    "recipe": "tuned",
    "rows": ["tm-1", "emm"],
    "reference": "emm",
}


def load(folder: Path, **change: Any) -> Any:
    study = {"tables": {"one": TABLE | change.pop("table", {})}, **change}
    path = folder / "tables.yaml"
    path.write_text(yaml.safe_dump(study))
    return load_study(path)


def test_a_borrowed_model_comes_last_with_its_name_in_the_table(tmp_path: Path) -> None:
    borrowed = {"dataset": "held-out", "row": "emm", "name": "aligned_held_out"}
    table = load(tmp_path, table={"borrowed": [borrowed]}).tables["one"]
    assert table.names == ("tm-1", "emm", "aligned_held_out")
    assert table.sources[-1] == ("held-out", "emm", "aligned_held_out")


def test_the_primary_family_is_about_one_table(tmp_path: Path) -> None:
    study = load(tmp_path, primary={"table": "one", "against": ["tm-1"]})
    assert study.against("one") == ("tm-1",)
    assert study.against("two") == ()


def test_a_study_may_have_no_primary_family(tmp_path: Path) -> None:
    assert load(tmp_path).against("one") == ()


def test_the_pool_of_a_table_is_that_of_its_reference(tmp_path: Path) -> None:
    borrowed = [
        {"dataset": "held-out", "row": "emm", "name": "aligned_held_out"},
        {"dataset": "census-income", "row": "ensemble", "name": "average"},
    ]
    table = load(tmp_path, table={"borrowed": borrowed}).tables["one"]
    assert table.in_pool(("tm-1", "emm", "ensemble")) == ("tm-1", "emm", "average")
    assert table.in_pool(("tm-1",)) == ()


def test_notes_keep_their_order(tmp_path: Path) -> None:
    assert load(tmp_path, notes=["b", "a"]).notes == ("b", "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": {"reference": "emn"}}, r"one\.reference: 'emn' isn't one.*did you mean 'emm'"),
        ({"table": {"trained": ["tm-2"]}}, r"one\.trained: 'tm-2' isn't one of its rows"),
        ({"table": {"published": {"ple": "ple"}}}, r"one\.published: 'ple' isn't one of its rows"),
        ({"table": {"rows": ["emm", "emm"]}}, r"one\.rows: a name occurs twice"),
        ({"table": {"recipe": "best"}}, "expected paper or tuned"),
        ({"table": {"goals": {"income": 2}}}, "at most 1"),
        ({"table": {"row": []}}, "did you mean 'rows'"),
        ({"tasks": ["two"]}, r"tasks: no table is called 'two'"),
        ({"tables": {}}, "expected at least one table"),
        ({"primary": {"table": "two", "against": ["tm-1"]}}, r"primary\.table: no table.*'two'"),
        ({"primary": {"table": "one", "against": []}}, r"primary\.against: got none"),
        ({"primary": {"table": "one", "against": ["tm-2"]}}, r"'tm-2' isn't a row of one.*'tm-1'"),
        (
            {"primary": {"table": "one", "against": ["tm-1", "tm-1"]}},
            r"against: a name occurs twice",
        ),
        ({"primary": {"table": "one", "against": ["emm"]}}, r"'emm' is the reference itself"),
        ({"primary": [{"table": "one"}]}, "primary: "),
        ({"pool": ["tm-9"]}, r"pool: 'tm-9' isn't a row of any table"),
        ({"pool": ["emm", "emm"]}, r"pool: a name occurs twice"),
    ],
)
def test_an_invalid_setting_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message) as error:
        load(tmp_path, **change)
    assert str(tmp_path / "tables.yaml") in str(error.value)


def test_a_file_of_other_settings_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("recipe: paper\n")
    with pytest.raises(ParamsError, match=r"(?s)tables: missing.*recipe: unknown key"):
        load_study(tmp_path / "params.yaml")


FROM_SCRATCH = {"paper_scratch", "paper_scratch_mtm", "aligned_random_start"}


def test_the_studys_pool_has_all_models_that_are_made_of_it() -> None:
    active = load_project(ROOT / "study/params.yaml").active
    made = {*active.trained, *active.fused} - FROM_SCRATCH
    assert made - set(load_study(ROOT / "study/tables.yaml").pool) == set()


def test_the_study_decides_about_emm_and_all_baselines() -> None:
    active = load_project(ROOT / "study/params.yaml").active
    study = load_study(ROOT / "study/tables.yaml")
    assert set(study.against("tuned")) == {*active.baselines, "gbdt"}
    assert set(active.trees) == {"gbdt", "hist"}  # HistGB is a weaker member of EMM's pool
    assert study.tables["tuned"].reference == "emm"


@pytest.mark.parametrize("name", ["tables.yaml", "automtl_tables.yaml"])
def test_the_projects_own_tables_are_valid(name: str) -> None:
    assert load_study(ROOT / "study" / name).tables


@pytest.mark.parametrize(
    ("tables", "params"),
    [("tables.yaml", "params.yaml"), ("automtl_tables.yaml", "automtl.yaml")],
)
def test_the_tables_are_of_models_that_the_study_trains(tables: str, params: str) -> None:
    active = load_project(ROOT / "study" / params).active
    known = {*active.trained, *active.trees, *active.baselines, *active.fused, *active.searched}
    known |= {*active.students}
    for table in load_study(ROOT / "study" / tables).tables.values():
        for dataset, model, _ in table.sources:
            assert dataset in active.datasets
            assert model in known
