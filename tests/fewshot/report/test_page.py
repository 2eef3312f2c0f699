"""The report on few-shot images."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emm.core.errors import DataError
from fewshot.report.page import ImageFacts, write_few_shot_report
from fewshot.report.results import metrics_of, read_results

FACTS = ImageFacts(
    name="omniglot",
    title="Omniglot",
    licence="MIT",
    homepage="https://example.org",
    citation="Lake (2015)",
    characters=1623,
    side=28,
)


TRAINING = {
    "iterations": 4000,
    "tasks": 8,
    "queries": 3,
    "inner_rate": 0.4,
    "inner_steps": 1,
    "order": 2,
}


def evaluation(ways: int, accuracy: float) -> dict[str, Any]:
    """The content of evaluation.json."""
    return {
        "episodes": f"{ways}-way-1-shot",
        "accuracies": {
            str(queries): {
                "maml": {"mean": accuracy - queries / 100, "ci95": 0.0012},
                "untrained": {"mean": 0.61, "ci95": 0.0034},
                "pixels": {"mean": 0.45, "ci95": 0.0056},
            }
            for queries in ((1, 2) if ways == 5 else (2,))
        },
        "settings": {
            "ways": ways,
            "shots": 1,
            "network": {"filters": 32},
            "training": TRAINING,
            "test": {"episodes": 1000, "inner_steps": 3},
        },
        "characters": {"train": 1100, "validation": 100, "test": 423},
        "parameters": 28_357,
        "best_iteration": 3000,
        "validation_accuracy": 0.97,
    }


def write_evaluation(folder: Path, ways: int, accuracy: float) -> Path:
    """Write an evaluation as meta-testing does."""
    folder.mkdir(parents=True)
    points = [
        {"iteration": 1000 * step, "train_loss": 1 / step, "accuracy": 0.9 + step / 50}
        for step in range(1, 5)
    ]
    (folder / "evaluation.json").write_text(json.dumps(evaluation(ways, accuracy)))
    (folder / "history.json").write_text(json.dumps({"points": points}))
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3 * ways, 28, 28), generator=generator).byte()
    shown = {
        "support": images[:, :ways].contiguous(),
        "query": images[:, ways:].contiguous(),
        "predictions": torch.arange(ways).repeat_interleave(2).repeat(2, 1),
    }
    save_file(shown, folder / "episodes.safetensors")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {
        f"{ways}-way-1-shot": write_evaluation(tmp_path / str(ways), ways, accuracy)
        for ways, accuracy in ((5, 0.98123), (20, 0.93456))
    }


def write(folders: dict[str, Path], out: Path) -> str:
    results = {kind: read_results(folder) for kind, folder in folders.items()}
    report = out / "omniglot.md"
    write_few_shot_report(results, FACTS, "tuned", metrics=out / "metrics", report=report)
    return report.read_text()


def test_the_page_has_our_accuracies_and_the_published_ones(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    page = write(folders, tmp_path / "out")
    table = {
        tuple(cells[:2]): cells[2:]
        for line in page.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 4
    }
    assert table["**MAML**", "1"] == ["97.12 ± 0.12", "-"]
    assert table["**MAML**", "2"] == ["96.12 ± 0.12", "91.46 ± 0.12"]
    assert table["nearest neighbour on pixels", "2"] == ["45.00 ± 0.56"] * 2
    paper = "MAML, [Finn et al. 2017](https://arxiv.org/abs/1703.03400)"
    assert table[paper, "-"] == ["98.7 ± 0.4", "95.8 ± 0.3"]
    assert "transductive" in page
    assert "3,000 / 4,000" in page


def test_every_figure_on_the_page_exists(folders: dict[str, Path], tmp_path: Path) -> None:
    page = write(folders, tmp_path / "out")
    figures = re.findall(r"\]\(omniglot/(\S+)\)", page)
    assert sorted(figures) == sorted(
        path.name for path in (tmp_path / "out" / "omniglot").iterdir()
    )


def test_the_same_evaluations_give_the_same_bytes(folders: dict[str, Path], tmp_path: Path) -> None:
    for name in ("first", "second"):
        write(folders, tmp_path / name)
    files = [path for path in (tmp_path / "first").rglob("*") if path.is_file()]
    assert len(files) == 4
    for path in files:
        other = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert path.read_bytes() == other.read_bytes()


def test_metrics_are_scalars_by_kind_of_episodes(folders: dict[str, Path]) -> None:
    found = metrics_of({kind: read_results(folder) for kind, folder in folders.items()})
    assert found["5-way-1-shot"]["queries_1"]["accuracy"] == pytest.approx(0.97123)
    assert found["20-way-1-shot"]["queries_2"]["accuracy_ci95"] == 0.0012
    assert found["5-way-1-shot"]["queries_2"]["untrained_accuracy"] == 0.61
    assert found["5-way-1-shot"]["parameters"] == 28_357


@pytest.mark.parametrize("name", ["evaluation.json", "history.json", "episodes.safetensors"])
def test_a_missing_or_damaged_file_is_an_error(folders: dict[str, Path], name: str) -> None:
    folder = folders["5-way-1-shot"]
    (folder / name).write_text("{}")
    with pytest.raises(DataError, match=name):
        read_results(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=r"(?s)can't be used.*dvc repro fewshot-test"):
        read_results(folder)
