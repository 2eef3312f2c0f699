"""A complete report on generated evaluations."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.write import write_report

AUCS = {
    "tm-1": {"income": [0.94, 0.95], "never-married": [0.99, 0.99]},
    "tm-2": {"income": [0.96, 0.95], "never-married": [0.97, 0.98]},
    "mmoe": {"income": [0.951, 0.953], "never-married": [0.98, 0.99]},
    "emm": {"income": [0.955, 0.957], "never-married": [0.98, 0.99]},
}
FIGURES = [
    "calibration-income.svg",
    "calibration-never-married.svg",
    "roc-income.svg",
    "roc-never-married.svg",
    "training.svg",
]
Write = Callable[..., Path]


def report(root: Path, data: Path, facts: DatasetFacts, models: list[str]) -> None:
    write_report(
        [(model, data / model) for model in models],
        facts,
        "paper",
        trained=("tm-1", "tm-2"),
        fused=("emm",),
        metrics=root / "metrics/census-income/paper",
        plots=root / "plots/census-income/paper",
        report=root / "reports/census-income.md",
    )


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_evaluation: Write) -> Path:
    root = tmp_path_factory.mktemp("data")
    for model, aucs in AUCS.items():
        tasks = list(aucs) if model.startswith("tm") else (None,)
        write_evaluation(root, model, aucs, tasks=tasks)
    return root


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, data: Path, facts: DatasetFacts) -> Path:
    root = tmp_path_factory.mktemp("written")
    report(root, data, facts, list(AUCS))
    return root


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return (written / "reports/census-income.md").read_text()


def test_all_files_are_written(written: Path) -> None:
    metrics = [f"metrics/census-income/paper/{model}.json" for model in AUCS]
    figures = [f"reports/census-income/{name}" for name in FIGURES]
    plots = [f"plots/census-income/paper/{model}.csv" for model in AUCS]
    page = "reports/census-income.md"
    assert sorted(contents(written)) == sorted([*metrics, *plots, *figures, page])


def test_a_second_run_gives_the_same_bytes(
    written: Path, tmp_path: Path, data: Path, facts: DatasetFacts
) -> None:
    report(tmp_path, data, facts, list(AUCS))
    assert contents(tmp_path) == contents(written)


def test_the_table_has_the_papers_columns(text: str) -> None:
    assert (
        "| model |               income AUC |     Gain |   paper "
        "|        never-married AUC |     Gain |   paper |\n"
        "| :---- | -----------------------: | -------: | ------: "
        "| -----------------------: | -------: | ------: |\n"
        "| TM-1  |        0.94500 ± 0.00707 |        - | 0.93009 "
        "|    **0.99000** ± 0.00000 |        - | 0.99230 |\n"
        "| TM-2  | <u>0.95500</u> ± 0.00707 |        - | 0.90739 "
        "|        0.97500 ± 0.00707 |        - | 0.99356 |\n"
        "| MMoE  |        0.95200 ± 0.00141 | +0.00200 | 0.94051 "
        "| <u>0.98500</u> ± 0.00707 | +0.00250 | 0.99437 |\n"
        "| EMM   |    **0.95600** ± 0.00141 | +0.00600 |       - "
        "| <u>0.98500</u> ± 0.00707 | +0.00250 |       - |\n"
    ) in text


def test_the_data_is_described(text: str) -> None:
    assert text.startswith("# Census-Income (KDD)\n\nRecipe `paper`.")
    assert "| train      | 199,523 |          6.21 % |                43.35 % |" in text
    assert "- Source: UCI, doi 10.24432/C5N30T\n- Licence: CC BY 4.0" in text


def test_every_figure_is_linked_and_exists(written: Path, text: str) -> None:
    links = [unquote(link) for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)]
    assert sorted(links) == [f"census-income/{name}" for name in FIGURES]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_svg_without_fonts_dates_or_remote_parts(written: Path, name: str) -> None:
    svg = (written / "reports/census-income" / name).read_text()
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<text" not in svg
    assert "dc:date" not in svg
    assert not re.findall(r'href="(?!#)', svg)


def test_files_of_a_removed_model_are_deleted(
    tmp_path: Path, data: Path, facts: DatasetFacts
) -> None:
    stale = [
        tmp_path / "metrics/census-income/paper/old.json",
        tmp_path / "plots/census-income/paper/old.csv",
        tmp_path / "reports/census-income/old.svg",
    ]
    for path in stale:
        path.parent.mkdir(parents=True)
        path.write_text("old")
    report(tmp_path, data, facts, ["tm-1", "tm-2"])
    assert not [path for path in stale if path.exists()]


def test_nothing_is_written_if_an_evaluation_is_missing(
    tmp_path: Path, data: Path, facts: DatasetFacts
) -> None:
    with pytest.raises(DataError, match="ple has not been evaluated"):
        report(tmp_path, data, facts, [*AUCS, "ple"])
    assert contents(tmp_path) == {}


def test_a_report_needs_at_least_one_model(tmp_path: Path, data: Path, facts: DatasetFacts) -> None:
    with pytest.raises(DataError, match="at least one model"):
        report(tmp_path, data, facts, [])
