"""The report on searched models, on generated evaluations."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emm.automtl.space import ARCHITECTURE, Architecture, Expert, write_architecture
from emm.core.errors import ModelFileError
from emm.report.facts import DatasetFacts
from emm.report.searched import write_searched
from emm.report.study_settings import StudySettings, StudyTableSettings

TASKS = ("income", "never-married")
STUDY = StudySettings(
    {
        "census": StudyTableSettings(
            "Census", "census-income", "tuned", ("mmoe", "automtl"), "automtl", remark="A remark."
        )
    },
    notes=("A note.",),
)
FOUND = Architecture(8, ((Expert(("mlp-16",), (0,)),),), ((0,), (0,)))
SETTINGS = Path("study/automtl.yaml")


@pytest.fixture
def root(tmp_path: Path, write_evaluation: Callable[..., Path]) -> Path:
    folder = tmp_path / "root/data/evaluation/census-income/tuned"
    for row in ("mmoe", "automtl"):
        write_evaluation(folder, row, {task: [0.91, 0.92] for task in TASKS})
    write_architecture(folder / "automtl" / ARCHITECTURE, FOUND, ("age",), TASKS)
    return tmp_path / "root"


def written(root: Path, facts: DatasetFacts) -> tuple[Path, str]:
    """Write the report; return its folder and the page."""
    out = root.parent
    write_searched(
        STUDY,
        {"census-income": facts},
        root=root,
        settings=SETTINGS,
        metrics=out / "metrics",
        report=out / "reports/automtl.md",
    )
    return out, (out / "reports/automtl.md").read_text()


def test_every_model_has_metrics_and_every_architecture_a_figure(
    root: Path, facts: DatasetFacts
) -> None:
    out, page = written(root, facts)
    models = sorted(path.stem for path in (out / "metrics/census").iterdir())
    assert models == ["automtl", "mmoe"]
    figures = [path.name for path in (out / "reports/automtl").iterdir()]
    assert figures == ["architecture-census-automtl.svg"]
    assert "](automtl/architecture-census-automtl.svg)" in page


def test_a_model_is_compared_with_the_reference(root: Path, facts: DatasetFacts) -> None:
    out, _ = written(root, facts)
    metrics = json.loads((out / "metrics/census/mmoe.json").read_text())
    assert metrics["difference_income"] is not None
    assert 0 <= metrics["p_procedure_income"] <= 1


def test_the_page_has_the_remarks_and_notes_of_the_settings(
    root: Path, facts: DatasetFacts
) -> None:
    _, page = written(root, facts)
    assert "A remark." in page
    assert "- A note." in page


def test_the_commands_search_for_searched_models_only(root: Path, facts: DatasetFacts) -> None:
    _, page = written(root, facts)
    lines = page.partition("```\n")[2].splitlines()
    model = "census-income $model --params study/automtl.yaml --recipe tuned"
    after = {line: lines[number + 1] for number, line in enumerate(lines[:-1])}
    assert after["for model in mmoe automtl; do"] == f"  python stages/train.py {model}"
    assert after["for model in automtl; do"] == f"  python stages/search.py {model}"


def test_nothing_is_written_for_a_damaged_architecture(root: Path, facts: DatasetFacts) -> None:
    path = root / "data/evaluation/census-income/tuned/automtl" / ARCHITECTURE
    path.write_text("{")
    with pytest.raises(ModelFileError):
        written(root, facts)
    assert not (root.parent / "reports").exists()
    assert not (root.parent / "metrics").exists()
