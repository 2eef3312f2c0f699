"""A tiny funnel of custom data, from its file to the report, through the stages."""

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from emm.core.errors import DataError, ParamsError
from stages.check_data import main as check_data
from stages.download import main as download
from stages.evaluate import main as evaluate
from stages.preprocess import main as preprocess
from stages.report import main as report
from stages.train import main as train
from tests.configuration import CENSUS, Change, Tree, copy_conf, edit

ROWS = 900
MODELS = ["mmoe", "esmm", "escm2", "stem", "cross_stitch", "sluice", "home", "resflow", "ektm"]
NETWORK = {"learning_rate": 0.01, "weight_decay": 0.0, "embedding_dim": 2, "dropout": 0.0}
SECTIONS = {
    "mmoe": {**NETWORK, "experts": 2, "expert": [4], "tower": [3]},
    "esmm": {**NETWORK, "tower": [4], "groups": {"who": ["user", "country"]}},
    "escm2": {**NETWORK, "tower": [4], "variant": "dr", "risk_weight": 0.1}
    | {"global_weight": 1.0, "least_propensity": 0.05},
    "stem": {**NETWORK, "specific_experts": 1, "shared_experts": 1, "expert": [4], "tower": [3]},
    "cross_stitch": {**NETWORK, "bottom": [4], "tower": [3]},
    "sluice": {**NETWORK, "width": 2, "tower": [3]},
    "home": {**NETWORK, "expert": [4], "tower": [3], "groups": {"shop": ["click", "order"]}},
    "resflow": {**NETWORK, "bottom": [4]},
    "ektm": {**NETWORK, "bottom": [4], "tower": [3]},
}
DATA = {
    "source": {"path": "mine"},
    "tasks": ["order", "click"],
    "check-data": {"max_column_auc": 0.999, "max_rate_difference": 9.0},
    "preprocess": {"funnel": ["click", "order"]},
    "evaluate": {"gauc_key": "user"},
    "custom": {
        "tasks": {"click": "click", "order": "order"},
        "sparse": ["user", "country"],
        "split": {"by": "random", "validation": 0.3, "test": 0.3},
    },
}
TRAINING = {"seeds": [0], "batch_size": 128, "max_epochs": 3, "device": "cpu"}
LISTS = {"datasets": ["shop"], "baselines": MODELS, "table": MODELS, "trained": [], "fused": []}


def impressions() -> pl.DataFrame:
    """Rows with clicks, and purchases after clicks; both are more likely in some countries."""
    draw = np.random.default_rng(0)
    country = draw.integers(0, 4, ROWS)
    clicked = draw.random(ROWS) < 0.3 + 0.1 * country
    bought = clicked & (draw.random(ROWS) < 0.2 + 0.15 * country)
    return pl.DataFrame(
        {
            "user": draw.integers(0, 30, ROWS),
            "country": country,
            "price": draw.random(ROWS).round(3),
            "click": clicked.astype(int),
            "order": bought.astype(int),
        }
    )


def prepare(root: Path, rows: pl.DataFrame, change: Change = lambda tree: None) -> None:
    """Process data in ``root`` with the stages; ``change``: of data.yaml."""
    (root / "mine").mkdir()
    rows.write_csv(root / "mine/shop.csv")
    edit(copy_conf(root), lambda tree: tree.update(LISTS))
    base = f"../{CENSUS}"
    data, paper = root / "conf/shop/data.yaml", root / "conf/shop/paper.yaml"
    edit(data, lambda tree: tree.update(deepcopy(DATA), base=f"{base}/data.yaml"))
    edit(data, change)
    training = {"base": f"{base}/paper.yaml", "training": TRAINING, "train": SECTIONS}
    edit(paper, lambda tree: tree.update(training))
    download("shop")
    preprocess("shop")
    check_data("shop")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        prepare(root, impressions())
        for model in MODELS:
            train("shop", model)
            evaluate("shop", model)
        report("shop")
    return root


def test_every_model_has_funnel_scores(done: Path) -> None:
    for model in MODELS:
        found = json.loads((done / f"metrics/shop/paper/{model}.json").read_text())
        assert list(found["funnel"]) == ["ctr", "ctcvr", "cvr"]
        same = {"ctr": found["click"], "ctcvr": found["order"]}
        for name, task in same.items():
            assert {**task, "auc_gain": None} == found["funnel"][name]


@pytest.mark.parametrize("model", MODELS)
def test_cvr_and_gauc_are_those_of_the_stored_predictions(done: Path, model: str) -> None:
    found = json.loads((done / f"metrics/shop/paper/{model}.json").read_text())
    stored = load_file(done / f"data/evaluation/shop/paper/{model}/predictions.safetensors")
    order, click = stored["logits"][0].double().sigmoid().T
    labels = stored["labels"]
    rows = labels[:, 1] == 1
    ratio = (order / click)[rows].clamp(max=1 - 1e-6)
    expected = roc_auc_score(labels[rows, 0], ratio)
    assert found["funnel"]["cvr"]["auc"] == pytest.approx(expected, abs=1e-7)
    users = pl.read_parquet(done / "data/processed/shop/test.parquet")["user"].to_numpy()
    total = weights = 0
    for user in set(users[users > 0]):
        own = torch.from_numpy(users == user)
        if len(labels[own, 1].unique()) == 2:
            total += own.sum() * roc_auc_score(labels[own, 1], click[own])
            weights += own.sum()
    assert found["click"]["gauc"] == pytest.approx(float(total / weights), abs=1e-7)


def stored_arguments(done: Path, model: str) -> dict[str, object]:
    stored = done / f"data/models/shop/paper/{model}/seed-0/model.json"
    found: dict[str, object] = json.loads(stored.read_text())["description"]["arguments"]
    return found


def test_a_stored_model_records_its_funnel(done: Path) -> None:
    arguments = stored_arguments(done, "esmm")
    assert (arguments["funnel"], arguments["fields"]) == ([1, 0], ["user", "country"])


def test_a_stored_model_records_its_groups_of_tasks(done: Path) -> None:
    arguments = stored_arguments(done, "home")
    assert arguments["groups"] == {"shop": ["click", "order"]}
    assert arguments["task_names"] == ["order", "click"]


def test_the_report_has_both_tables(done: Path) -> None:
    text = (done / "reports/shop.md").read_text()
    assert "## Funnel" in text
    assert "| ESCM² " in text.split("## Funnel")[1]
    assert "## GAUC" in text


def test_tasks_that_are_not_a_funnel_are_rejected_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = impressions().with_columns(pl.col("click").reverse())
    prepare(tmp_path, rows)
    with pytest.raises(DataError, match=r"order without click in \d+ of"):
        train("shop", "esmm")
    assert not (tmp_path / "data/models/shop/paper/esmm").exists()
    train("shop", "mmoe")


def test_tasks_not_declared_as_a_funnel_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, impressions(), lambda tree: tree["preprocess"].pop("funnel"))
    assert "funnel" not in (tmp_path / "data/processed/shop/schema.json").read_text()
    with pytest.raises(ParamsError, match="ESCM2 needs a funnel"):
        train("shop", "escm2")


def test_a_column_that_is_not_a_feature_can_group_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def visits(tree: Tree) -> None:
        tree["custom"]["drop"] = ["visit"]
        tree["preprocess"]["keep"] = ["visit"]
        tree["evaluate"]["gauc_key"] = "visit"

    numbers = pl.Series("visit", [f"v{number // 9}" for number in range(ROWS)])
    prepare(tmp_path, impressions().with_columns(numbers), visits)
    train("shop", "mmoe")
    evaluate("shop", "mmoe")
    found = json.loads((tmp_path / "data/evaluation/shop/paper/mmoe/metrics.json").read_text())
    assert 0 < found["tasks"]["click"]["gauc"][0] < 1
    processed = pl.read_parquet(tmp_path / "data/processed/shop/test.parquet")
    assert processed["visit"].n_unique() > 50


def test_a_step_must_be_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def valued(tree: Tree) -> None:
        tree["custom"]["tasks"]["order"] = {"expression": "order", "kind": "regression"}

    with pytest.raises(ParamsError, match="the funnel's step 'order' isn't a binary task"):
        prepare(tmp_path, impressions(), valued)
