"""Evaluation of tasks of several classes, missing labels and weighted rows."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from torch import Tensor

from emm.core.errors import ParamsError
from emm.data.tables.names import WEIGHT, label_column
from emm.data.tables.schema import Split, schema_hash, write_schema
from emm.evaluation.evaluate import evaluate
from emm.evaluation.settings import EvaluateSettings
from emm.models.shared_bottom import SharedBottom
from emm.training.store import Description, inputs_of, save_model
from tests.training.tiny import SCHEMA

TASKS, ROWS = ("click", "colour", "buy"), 240
MIXED = replace(
    SCHEMA,
    tasks=TASKS,
    kinds={"colour": "classes"},
    classes={"colour": ("red", "green", "blue")},
    funnel=("click", "buy"),
    splits={"test": Split(ROWS, {}, labelled={"click": 230, "colour": 200, "buy": 100})},
)
Evaluate = Callable[..., Path]


def drawn_labels() -> dict[str, np.ndarray[Any, Any]]:
    """A purchase is known after a click only; some clicks and colours are missing."""
    draw = np.random.default_rng(0)
    click = (draw.random(ROWS) < 0.5).astype(float)
    buy = np.where(click == 1, (draw.random(ROWS) < 0.4).astype(float), np.nan)
    colour = draw.integers(3, size=ROWS).astype(float)
    colour[draw.random(ROWS) < 0.2] = np.nan
    unknown = draw.random(ROWS) < 0.05
    click[unknown] = buy[unknown] = np.nan
    return {"click": click, "colour": colour, "buy": buy}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Processed test rows, and an untrained model of two seeds."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "processed").mkdir()
    write_schema(MIXED, folder / "processed/schema.json")
    draw = np.random.default_rng(1)
    columns = {name: draw.random(ROWS, dtype=np.float32) for name in ("x", "y")}
    columns["id"] = draw.integers(4, size=ROWS).astype(np.int32)
    labels = {label_column(task): values for task, values in drawn_labels().items()}
    weights = {WEIGHT: draw.integers(1, 4, size=ROWS).astype(np.float32)}
    frame = pl.DataFrame(columns | labels | weights)
    frame.fill_nan(None).write_parquet(folder / "processed/test.parquet")
    arguments = {"embedding_dim": 2, "bottom": [4], "tower": [3], "outputs": [1, 3, 1]}
    identity = schema_hash(folder / "processed/schema.json")
    for seed in (0, 1):
        torch.manual_seed(seed)
        about = Description(
            architecture="shared_bottom",
            arguments=arguments,
            inputs=inputs_of(MIXED),
            tasks=TASKS,
            name="shared_bottom",
            dataset="tiny",
            schema_sha256=identity,
            recipe="tuned",
            seed=seed,
        )
        network = SharedBottom(inputs_of(MIXED), 3, **arguments)
        save_model(folder / f"models/seed-{seed}", network, about)
    (folder / "models/history.json").write_text('{"runs": []}')
    return folder


def evaluated(folder: Path, out: Path, **settings: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The metrics, and the predictions as float64."""
    evaluate(
        folder / "models",
        folder / "processed",
        out,
        name="shared_bottom",
        seeds=(0, 1),
        bins=5,
        device="cpu",
        threads=1,
        deterministic=False,
        **settings,
    )
    stored = load_file(out / "predictions.safetensors")
    metrics = json.loads((out / "metrics.json").read_text())
    return metrics, {name: tensor.double() for name, tensor in stored.items()}


def test_predictions_hold_all_classes_and_all_rows(folder: Path, tmp_path: Path) -> None:
    _, found = evaluated(folder, tmp_path)
    assert list(found["logits"].shape) == [2, ROWS, 5]
    expected = torch.from_numpy(np.column_stack(list(drawn_labels().values())))
    torch.testing.assert_close(found["labels"], expected, equal_nan=True)


def test_a_binary_task_is_scored_over_its_labelled_rows(folder: Path, tmp_path: Path) -> None:
    metrics, found = evaluated(folder, tmp_path)
    for task, column, number in (("click", 0, 0), ("buy", 4, 2)):
        labels = found["labels"][:, number]
        known = ~labels.isnan()
        logits = found["logits"][:, known, column]
        scores = metrics["tasks"][task]
        expected = [roc_auc_score(labels[known], one) for one in logits]
        assert scores["auc"] == pytest.approx(expected, abs=1e-12)
        expected = [log_loss(labels[known], one.sigmoid()) for one in logits]
        assert scores["logloss"] == pytest.approx(expected, rel=1e-9)


def test_a_task_of_classes_is_scored_over_its_labelled_rows(folder: Path, tmp_path: Path) -> None:
    metrics, found = evaluated(folder, tmp_path)
    labels = found["labels"][:, 1]
    known = ~labels.isnan()
    logits, labels = found["logits"][:, known, 1:4], labels[known]
    scores, probabilities = metrics["tasks"]["colour"], logits.softmax(2)
    assert list(scores) == ["auc", "auc_weighted", "logloss", "accuracy", "ece"]
    for key, average in (("auc", "macro"), ("auc_weighted", "weighted")):
        expected = [
            roc_auc_score(labels, one, multi_class="ovr", average=average) for one in probabilities
        ]
        assert scores[key] == pytest.approx(expected, abs=1e-9)
    expected = [log_loss(labels, one) for one in probabilities]
    assert scores["logloss"] == pytest.approx(expected, rel=1e-9)
    expected = [accuracy_score(labels, one.argmax(1)) for one in logits]
    assert scores["accuracy"] == pytest.approx(expected, rel=1e-12)


def test_a_purchase_known_after_a_click_only_has_cvr_as_its_logit(
    folder: Path, tmp_path: Path
) -> None:
    metrics, found = evaluated(folder, tmp_path)
    click, buy = found["labels"][:, 0], found["labels"][:, 2]
    rows = {"ctr": ~click.isnan(), "ctcvr": ~click.isnan(), "cvr": click == 1}
    ctr, cvr = found["logits"][:, :, 0].sigmoid(), found["logits"][:, :, 4].sigmoid()
    predicted = {"ctr": ctr, "ctcvr": ctr * cvr, "cvr": cvr}
    truth = {"ctr": click, "ctcvr": (buy == 1).double(), "cvr": buy}
    for name, kept in rows.items():
        expected = [roc_auc_score(truth[name][kept], one[kept]) for one in predicted[name]]
        assert metrics["funnel"][name]["auc"] == pytest.approx(expected, abs=1e-9)
    assert metrics["funnel"]["cvr"] == metrics["tasks"]["buy"]


def test_rows_are_weighed_where_asked_for(folder: Path, tmp_path: Path) -> None:
    metrics, found = evaluated(folder, tmp_path, sample_weights=True)
    labels, weights = found["labels"][:, 1], found["weights"]
    known = ~labels.isnan()
    expected = [
        accuracy_score(labels[known], one.argmax(1), sample_weight=weights[known])
        for one in found["logits"][:, known, 1:4]
    ]
    assert metrics["tasks"]["colour"]["accuracy"] == pytest.approx(expected, rel=1e-9)
    clicked = found["labels"][:, 0] == 1
    expected = [
        roc_auc_score(found["labels"][clicked, 2], one[clicked], sample_weight=weights[clicked])
        for one in found["logits"][:, :, 4]
    ]
    assert metrics["funnel"]["cvr"]["auc"] == pytest.approx(expected, abs=1e-9)


def test_weights_that_the_dataset_lacks_are_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "processed").mkdir()
    write_schema(replace(MIXED, weight=None), tmp_path / "processed/schema.json")
    with pytest.raises(ParamsError, match=r"evaluate\.sample_weights in conf/tiny/data\.yaml"):
        evaluated(tmp_path, tmp_path, sample_weights=True)


def test_a_gauc_of_weighted_rows_is_an_error() -> None:
    with pytest.raises(ParamsError, match="got: sample_weights: true, gauc_key: user"):
        EvaluateSettings(gauc_key="user", sample_weights=True)
