"""Reports on a funnel and on GAUC."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.page import page
from emm.report.results import read_results
from emm.report.summary import read_metrics, summarise, write_metrics

TASKS = ("income", "never-married")
AUCS = {
    "mmoe": {"income": [0.8, 0.9], "never-married": [0.7, 0.7]},
    "esmm": {"income": [0.9, 0.9], "never-married": [0.6, 0.8]},
}
STEPS = {"ctr": 0.8, "ctcvr": 0.7, "cvr": 0.65}
Write = Callable[..., Path]


def add_funnel(folder: Path, better: float, *, gauc: bool = False) -> None:
    """Add scores of a funnel, and GAUC of all scores if wanted, to a metrics file."""
    tree = json.loads((folder / "metrics.json").read_text())
    tree["funnel"] = {
        name: {"auc": [auc + better] * 2, "logloss": [0.3, 0.5], "ece": [0.01, 0.03]}
        for name, auc in STEPS.items()
    }
    if gauc:
        for scores in (*tree["tasks"].values(), *tree["funnel"].values()):
            scores["gauc"] = [auc - 0.1 for auc in scores["auc"]]
    (folder / "metrics.json").write_text(json.dumps(tree))


def written(root: Path, write_evaluation: Write, facts: DatasetFacts, **how: Any) -> Path:
    """Write the metrics files and the page, without its figures."""
    results = []
    for better, (name, aucs) in enumerate(AUCS.items()):
        folder = write_evaluation(root, name, aucs)
        if how:
            add_funnel(folder, better / 10, gauc=how["gauc"])
        results.append(read_results(name, folder, TASKS))
    summaries = summarise(results, ())
    write_metrics(root / "metrics", summaries)
    (root / "page.md").write_text(page(facts, "paper", summaries, (), "figures"))
    return root


@pytest.fixture
def plain(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Path:
    return written(tmp_path / "plain", write_evaluation, facts)


@pytest.fixture
def funnel(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Path:
    return written(tmp_path / "funnel", write_evaluation, facts, gauc=False)


@pytest.fixture
def within(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Path:
    return written(tmp_path / "within", write_evaluation, facts, gauc=True)


def test_a_metrics_file_has_ctr_ctcvr_and_cvr(funnel: Path, plain: Path) -> None:
    tree = json.loads((funnel / "metrics/esmm.json").read_text())
    scores = {"auc_std": 0, "auc_gain": None, "logloss": 0.4, "ece": 0.02}
    assert tree.pop("funnel") == {
        name: {"auc": pytest.approx(auc + 0.1), **scores} for name, auc in STEPS.items()
    }
    assert tree == json.loads((plain / "metrics/esmm.json").read_text())


def test_a_page_without_funnel_or_gauc_does_not_mention_them(funnel: Path, plain: Path) -> None:
    text = (plain / "page.md").read_text()
    assert not [word for word in ("## Funnel", "CVR", "GAUC") if word in text]
    assert "GAUC" not in (funnel / "page.md").read_text()


def test_the_page_has_a_table_of_the_funnel(funnel: Path) -> None:
    section = (funnel / "page.md").read_text().split("## Funnel")[1].split("\n## ")[0]
    header, _, first, second = section.strip().splitlines()[2:]
    cells = [cell.strip() for cell in header.split("|")][1:-1]
    errors = ["log loss", "ECE"]
    assert cells == ["model", "CTR AUC", *errors, "CTCVR AUC", *errors, "CVR AUC", *errors]
    assert "<u>0.65000</u> ± 0.00000 |  0.40000 | 0.02000 |" in first
    assert "**0.75000** ± 0.00000 |  0.40000 | 0.02000 |" in second


def test_gauc_is_in_a_table_of_its_own_and_in_the_funnels(within: Path) -> None:
    text = (within / "page.md").read_text()
    section = text.split("## GAUC")[1].split("\n## ")[0]
    first, second = section.strip().splitlines()[-2:]
    assert first == "| MMoE  | <u>0.75000</u> |        **0.60000** |"
    assert second == "| ESMM  |    **0.80000** |        **0.60000** |"
    assert "CVR AUC" in text
    assert json.loads((within / "metrics/mmoe.json").read_text())["income"]["gauc"] == 0.75
    assert json.loads((within / "metrics/mmoe.json").read_text())["funnel"]["cvr"]["gauc"] == 0.55


@pytest.mark.parametrize("gauc", [False, True])
def test_written_metrics_can_be_read_again(
    tmp_path: Path, write_evaluation: Write, gauc: bool
) -> None:
    results = []
    for name, aucs in AUCS.items():
        folder = write_evaluation(tmp_path, name, aucs)
        add_funnel(folder, 0.0, gauc=gauc)
        results.append(read_results(name, folder, TASKS))
    summaries = summarise(results, ())
    write_metrics(tmp_path / "metrics", summaries)
    assert read_metrics(tmp_path / "metrics", list(AUCS)) == summaries


def test_without_a_funnel_a_task_may_be_called_funnel(
    tmp_path: Path, write_evaluation: Write
) -> None:
    results = read_results("emm", write_evaluation(tmp_path, "emm", {"funnel": [0.5]}), ("funnel",))
    summaries = summarise([results], ())
    write_metrics(tmp_path / "metrics", summaries)
    assert read_metrics(tmp_path / "metrics", ["emm"]) == summaries


def test_scores_with_a_wrong_number_of_seeds_are_rejected(
    tmp_path: Path, write_evaluation: Write
) -> None:
    folder = write_evaluation(tmp_path, "esmm", AUCS["esmm"])
    add_funnel(folder, 0.0)
    tree = json.loads((folder / "metrics.json").read_text())
    tree["funnel"]["cvr"]["ece"].pop()
    (folder / "metrics.json").write_text(json.dumps(tree))
    with pytest.raises(DataError, match="lists of a wrong length for cvr"):
        read_results("esmm", folder, TASKS)
