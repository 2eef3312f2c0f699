"""The study's tables and the study's graph name the same models."""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from emm.report.study_settings import load_study
from emm_dvc.graph import read_stages, uncovered

ROOT = Path(__file__).parents[2]
STAGES = read_stages(ROOT / "study/dvc.yaml")
TABLES = load_study(ROOT / "study/tables.yaml").tables
EVALUATION = "data/evaluation/"


def paths(stage: Mapping[str, Any]) -> Iterator[str]:
    """The stage's outs, once for each of its cells."""
    items = stage.get("foreach", [None])
    axes = stage.get("matrix", {"": items})
    for values in itertools.product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        for out in stage["outs"]:
            name = out if isinstance(out, str) else next(iter(out))
            found = re.sub(r"\$\{item\.(\w+)\}", lambda m, c=cell: c[m[1]], name)
            yield found.replace("${item}", str(cell.get("")))


def models_of(table: str) -> set[str]:
    settings = TABLES[table]
    return {f"{EVALUATION}{of}/{settings.recipe}/{row}" for of, row, _ in settings.sources}


ALL_MODELS = set[str]().union(*map(models_of, TABLES))
EVALUATED = {out for stage in STAGES.values() for out in paths(stage) if out.startswith(EVALUATION)}


def test_every_table_has_a_stage_and_no_other_has() -> None:
    stages = [name for name in STAGES if name.startswith("table-")]
    assert stages == [f"table-{name}" for name in TABLES]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_waits_for_its_own_data_only(table: str) -> None:
    dataset = TABLES[table].dataset
    schema = f"data/processed/{dataset}/schema.json"
    deps = {dep for dep in STAGES[f"table-{table}"]["deps"] if dep.startswith("data/")}
    assert deps == models_of(table) | {schema, f"data/checks/{dataset}-seen.parquet"}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_depends_on_its_own_settings_and_not_on_the_notes(table: str) -> None:
    assert STAGES[f"table-{table}"]["params"] == [
        {"tables.yaml": [f"tables.{table}", "primary", "pool"]}
    ]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_writes_its_results_and_metrics_into_git(table: str) -> None:
    in_git = {"cache": False}
    assert STAGES[f"table-{table}"]["outs"] == [
        {f"results/{table}.json": in_git},
        {f"metrics/{table}": in_git},
    ]
    assert STAGES[f"table-{table}"]["cmd"].endswith(f"stages/table_study.py {table}")


def test_git_has_the_folder_that_the_report_depends_on() -> None:
    """DVC refuses a dep that doesn't exist, also if no table has been computed."""
    assert "results" in STAGES["report"]["deps"]
    assert (ROOT / "study/results/.gitkeep").is_file()


def test_the_report_needs_no_data() -> None:
    assert [dep for dep in STAGES["report"]["deps"] if dep.startswith(("data/", "metrics"))] == []


def test_a_stage_evaluates_every_model_of_the_tables() -> None:
    assert set() == ALL_MODELS - EVALUATED


def test_every_evaluation_except_of_borrowed_pools_is_in_a_table() -> None:
    pool = ("gbdt", "tm-2", "tm-3")
    unused = {f"{EVALUATION}census-income-held-out/tuned/{row}" for row in pool}
    assert unused == EVALUATED - ALL_MODELS


@pytest.mark.parametrize("table", TABLES)
def test_a_table_depends_on_all_the_code_that_it_imports(table: str) -> None:
    script = Path("stages/table_study.py")
    assert uncovered(script, STAGES[f"table-{table}"]["deps"], ROOT) == []


def test_a_change_of_the_page_reruns_no_table() -> None:
    page = {"src/emm/report", "src/emm/report/study.py", "src/emm/report/templates"}
    deps = {dep for name in TABLES for dep in STAGES[f"table-{name}"]["deps"]}
    assert page & deps == set()


def test_the_report_depends_on_all_the_code_that_it_imports() -> None:
    assert uncovered(Path("stages/report_study.py"), STAGES["report"]["deps"], ROOT) == []
