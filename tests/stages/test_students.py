"""Students through the stages: from a pool of models trained without folds to the report."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.commands.check import check_project
from emm.config.project import load_project
from emm.core.errors import ParamsError
from emm.training.store import load_description
from emm.tuning.space import Space, read_log
from emm.tuning.tune import tune
from emm_dvc.rows import fix_rows, teachers_of, wrong_rows
from stages.check_data import main as check_data
from stages.decompose import main as decompose
from stages.download import main as download
from stages.evaluate import main as evaluate
from stages.preprocess import main as preprocess
from stages.report import main as report
from stages.train import main as train
from tests.configuration import ROOT, copy_conf, edit

NETWORK = {"learning_rate": 0.01, "weight_decay": 0.0, "embedding_dim": 2, "tower": [3]}
SMALL = {**NETWORK, "network": "shared_bottom", "bottom": [4]}
LISTS = {
    "datasets": ["shop"],
    "trained": ["tm-1"],
    "trees": ["gbdt", "catboost"],
    "baselines": [],
    "fused": ["emm", "ensemble"],
    "students": ["small", "mean", "labels"],
    "table": ["tm-1", "emm", "ensemble", "small", "mean", "labels"],
}
DATA = {
    "source": {"path": "mine"},
    "tasks": ["visit", "spend"],
    "check-data": {"max_column_auc": 0.999, "max_rate_difference": 9.0},
    "preprocess": {},
    "evaluate": {},
    "custom": {
        "tasks": {"visit": "visit", "spend": "spend"},
        "sparse": ["country"],
        "split": {"by": "random", "validation": 0.3, "test": 0.3},
    },
}
RECIPE = {
    "training": {"seeds": [0, 1], "batch_size": 64, "max_epochs": 2, "device": "cpu"},
    "pretrain": {"tm-1": {**NETWORK, "blocks": [[16, 4], [16, 4]]}},
    "fusion": {"trees": ["gbdt", "catboost"], "fit_on": "out-of-fold", "folds": 2},
    "train": {
        "catboost": {"library": "catboost", "learning_rate": 0.3, "max_iterations": 5, "depth": 3},
        "gbdt": {"learning_rate": 0.3, "max_iterations": 5, "max_leaf_nodes": 4, "patience": 3},
        "emm": {"variant": "aligned", "merge": False, "start": {"towers": "frozen"}}
        | {"constant_gates": True},
        "ensemble": {"variant": "ensemble"},
        "small": {**SMALL, "teacher": "emm", "soft_targets": 0.8, "temperature": 2.0},
        "mean": {**SMALL, "teacher": "pool"},
        "labels": {**SMALL, "soft_targets": 0.0},
    },
}


def table(rows: int = 700) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    x, country = draw.random(rows).round(4), draw.integers(0, 4, rows)
    return pl.DataFrame(
        {
            "x": x,
            "country": country,
            "visit": (x + 0.4 * draw.standard_normal(rows) > 0.5).astype(int),
            "spend": (0.3 * country + 0.4 * draw.standard_normal(rows) > 0.5).astype(int),
        }
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with everything trained and reported."""
    root = tmp_path_factory.mktemp("students")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        (root / "mine").mkdir()
        table().write_csv(root / "mine/shop.csv")
        edit(copy_conf(root), lambda tree: tree.update(LISTS))
        edit(root / "conf/shop/data.yaml", lambda tree: tree.update(DATA))
        edit(root / "conf/shop/paper.yaml", lambda tree: tree.update(RECIPE))
        check_project(load_project())
        for stage in (download, preprocess, check_data):
            stage("shop")
        for model in ("tm-1", "gbdt", "catboost"):
            train("shop", model)
        decompose("shop")
        for model in LISTS["table"][1:]:
            train("shop", model)
        for model in LISTS["table"]:
            evaluate("shop", model)
        report("shop")
    return root


@pytest.fixture(autouse=True)
def _inside(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)


def test_students_are_networks_like_any_other(shop: Path) -> None:
    for seed in (0, 1):
        about = load_description(shop / f"data/models/shop/paper/small/seed-{seed}")
        assert (about.architecture, about.name) == ("shared_bottom", "small")


def test_the_report_names_teachers_operations_and_distances(shop: Path) -> None:
    page = (shop / "reports/shop.md").read_text()
    section = page.partition("## Students")[2].partition("\n## ")[0]
    lines = [[cell.strip() for cell in x.split("|")[1:-1]] for x in section.splitlines()]
    rows = [line for line in lines if line and line[0] in ("small", "mean", "labels")]
    operations = {
        name: json.loads((shop / f"metrics/shop/paper/{name}.json").read_text())["operations"]
        for name in LISTS["table"]
    }
    assert [(row[0], *row[2:5], row[6]) for row in rows] == [
        ("small", "EMM", "0.8", "2", "EMM"),
        ("small", "EMM", "0.8", "2", "labels"),
        ("mean", "mean of the pool", "0.9", "1", "Ensemble"),
        ("mean", "mean of the pool", "0.9", "1", "labels"),
        ("labels", "labels only", "-", "-", "-"),
    ]
    assert {row[5] for row in rows} == {f"{operations['small']:,}"}
    assert operations["small"] < operations["emm"]
    assert section.count("its teacher scores visit 0.") == 2


def test_a_students_distance_is_that_of_the_metrics(shop: Path) -> None:
    page = (shop / "reports/shop.md").read_text()
    row = next(
        line for line in page.splitlines() if line.startswith("| small") and " EMM |" in line
    )
    auc = {
        name: json.loads((shop / f"metrics/shop/paper/{name}.json").read_text())["visit"]["auc"]
        for name in ("small", "emm")
    }
    shown = float(row.split("|")[8].split("[")[0])
    assert shown == pytest.approx(auc["small"] - auc["emm"], abs=2e-5)


def test_the_stage_waits_for_the_fused_rows_that_teach(shop: Path) -> None:
    project, dvc_yaml = load_project(), shop / "dvc.yaml"
    dvc_yaml.write_text((ROOT / "dvc.yaml").read_text())
    assert teachers_of(project) == ["emm"]
    assert "train-student: + data/models/${item.dataset}/${recipe}/emm" in fix_rows(
        dvc_yaml, project.file
    )
    assert wrong_rows(dvc_yaml, project.active, ["emm"]) == []


def test_a_student_of_a_pool_that_has_seen_the_rows_is_refused(shop: Path) -> None:
    paper = shop / "conf/shop/paper.yaml"
    before = paper.read_text()
    edit(paper, lambda tree: tree["fusion"].update(fit_on="train"))
    with pytest.raises(ParamsError, match="predictions of models that haven't seen the row"):
        train("shop", "mean")
    paper.write_text(before)


def test_students_are_tuned_with_their_teacher(shop: Path) -> None:
    lists = {**{key: [value] for key, value in SMALL.items()}, "soft_targets": [0.9, 0.5, 0.0]}
    space = Space(3, 0, {}, ("small",), {"small": lists})
    tune(load_project(), "shop", "small", space, shop / "small.jsonl")
    trials = read_log(shop / "small.jsonl")
    assert sorted(trial.section["soft_targets"] for trial in trials) == [0.0, 0.5, 0.9]
    assert len({trial.mean_auc for trial in trials}) == 3
