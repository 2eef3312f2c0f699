"""A complete report on generated evaluations."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from safetensors.torch import load_file

from emm.core.errors import DataError
from emm.metrics.uncertainty import ScoredRows, auc_interval
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


def test_the_table_has_the_papers_columns_and_intervals(text: str, data: Path) -> None:
    stored = load_file(data / "mmoe/predictions.safetensors")
    for task, auc, paper in (
        (0, "       0.95200 ± 0.00141", "+0.00200 | 0.94051 "),
        (1, "<u>0.98500</u> ± 0.00707", "+0.00250 | 0.99437 "),
    ):
        scores = stored["logits"][:, :, task].contiguous()
        found = auc_interval(ScoredRows(scores, stored["labels"][:, task]))
        assert found
        interval = f"[{found.low:.4f}, {found.high:.4f}]"
        assert f"| {auc} | {interval} | {paper}|" in text
    header = text.split("## Results")[1].split("\n| ")[1]
    assert [cell.strip() for cell in header.split("|")][:-1] == [
        *("model", "income AUC", "95 %", "Gain", "paper"),
        *("never-married AUC", "95 %", "Gain", "paper"),
    ]


def test_the_data_is_described(text: str) -> None:
    assert text.startswith("# Census-Income (KDD)\n\nRecipe `paper`.")
    assert "| train      | 199,523 | 12,390 (6.21 %) |       86,493 (43.35 %) |" in text
    assert "- Source: UCI, doi 10.24432/C5N30T\n- Licence: CC BY 4.0" in text


def test_with_few_positives_no_model_is_marked(
    tmp_path: Path, data: Path, facts: DatasetFacts
) -> None:
    rates = {**facts.positive_rates, "test": {"income": 49 / 200, "never-married": 50 / 200}}
    report(tmp_path, data, replace(facts, positive_rates=rates), list(AUCS))
    text = (tmp_path / "reports/census-income.md").read_text()
    rows = [line.split("|")[2:9:4] for line in text.split("## Results")[1].splitlines()[4:10]]
    assert not [income for income, _ in rows if "**" in income or "<u>" in income]
    assert [other.strip() for _, other in rows if "**" in other] == ["**0.99000** ± 0.00000"]
    assert "- income: the test split has 49 positives, fewer than 50." in text
    assert "- never-married: the test split has" not in text


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
