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
EVALUATION = "data/evaluation/"


def outs(stage: Mapping[str, Any]) -> Iterator[str]:
    """The stage's outs, once for each of its cells."""
    items = stage.get("foreach", [None])
    axes = stage.get("matrix", {"": items})
    for values in itertools.product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        for out in stage["outs"]:
            if isinstance(out, str):
                found = re.sub(r"\$\{item\.(\w+)\}", lambda m, c=cell: c[m[1]], out)
                yield found.replace("${item}", str(cell.get("")))


def models_of_the_tables() -> set[str]:
    return {
        f"{EVALUATION}{dataset}/{table.recipe}/{row}"
        for table in load_study(ROOT / "study/tables.yaml").tables.values()
        for dataset, row, _ in table.sources
    }


def models_of_the_report() -> set[str]:
    return {dep for dep in STAGES["report"]["deps"] if dep.startswith(EVALUATION)}


def test_the_report_waits_for_the_models_of_the_tables_and_no_others() -> None:
    assert models_of_the_report() == models_of_the_tables()


def test_a_stage_evaluates_every_model_of_the_tables() -> None:
    outputs = {out for stage in STAGES.values() for out in outs(stage)}
    assert models_of_the_tables() - outputs == set()


def test_every_evaluation_except_of_borrowed_pools_is_in_a_table() -> None:
    outputs = {
        out for stage in STAGES.values() for out in outs(stage) if out.startswith(EVALUATION)
    }
    unused = outputs - models_of_the_tables()
    pool = ("gbdt", "tm-2", "tm-3")
    assert unused == {f"{EVALUATION}census-income-held-out/tuned/{row}" for row in pool}


@pytest.mark.parametrize("name", ["data/processed/{}/schema.json", "data/checks/{}-seen.parquet"])
def test_the_report_waits_for_the_schemas_and_seen_rows_of_its_datasets(name: str) -> None:
    datasets = {t.dataset for t in load_study(ROOT / "study/tables.yaml").tables.values()}
    start, end = name.split("{}")
    found = {dep for dep in STAGES["report"]["deps"] if dep.startswith(start) and dep.endswith(end)}
    assert found == {name.format(dataset) for dataset in datasets}


def test_the_report_depends_on_all_the_code_that_it_imports() -> None:
    assert uncovered(Path("stages/report_study.py"), STAGES["report"]["deps"], ROOT) == []
