"""A binary and a regression task: trained, decomposed, fused, scored and reported."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error
from torch import nn

from emm.data.tables.names import label_column
from emm.data.tables.schema import SPLITS, Split, Target, load_schema, write_schema
from emm.evaluation.evaluate import evaluate
from emm.fusion.decompose import decompose
from emm.fusion.train import train_fused
from emm.models.aitm import AITM
from emm.report.facts import facts_of
from emm.report.write import write_report
from emm.training.context import TrainingContext, open_context
from emm.training.fit import fit
from emm.training.networks import train_networks
from tests.fusion.fusing import ALIGNED, settings
from tests.training.fitting import Linear, schedule
from tests.training.fitting import table as binary_table
from tests.training.tiny import (
    OPTIMISER,
    SCHEMA,
    TASKS,
    fusion,
    save_processed,
    table,
    train_members,
    training,
)

TARGET = Target(mean=500.0, std=20.0)
KNOBS = {"embedding_dim": 2, "bottom": [4], "tower": [3], "dropout": 0.0}
FUSED: dict[str, dict[str, Any]] = {
    "aligned": ALIGNED,
    "ensemble": {"variant": "ensemble"},
    "paper": {"variant": "paper", "embedding_dim": 2, "tower": [2]},
}
ROWS = ["narrow", "wide", "gbdt", "aitm", *FUSED]


def save_mixed(folder: Path) -> None:
    """Save the tiny dataset with a standardised target as the label of its second task."""
    save_processed(folder)
    for number, split in enumerate(SPLITS):
        # Test has the rows of validation.
        source = "validation" if split == "test" else split
        rows = pl.read_parquet(folder / f"{source}.parquet")
        noise = torch.randn(len(rows), generator=torch.Generator().manual_seed(number)).numpy()
        value = 3 * rows["y"] + (rows["id"] == 1) + 0.2 * pl.Series(noise)
        standardised = ((value - value.mean()) / value.std()).cast(pl.Float32)
        rows.with_columns(standardised.alias(label_column(TASKS[1]))).write_parquet(
            folder / f"mixed-{split}.parquet"
        )
    for split in SPLITS:
        (folder / f"mixed-{split}.parquet").replace(folder / f"{split}.parquet")
    splits = {name: Split(120, {TASKS[0]: 0.5}, {TASKS[1]: 0.0}) for name in SPLITS}
    kinds = {TASKS[0]: "binary", TASKS[1]: "regression"}
    schema = replace(SCHEMA, splits=splits, kinds=kinds, targets={TASKS[1]: TARGET})
    write_schema(schema, folder / "schema.json")


def train_aitm(folder: Path, context: TrainingContext) -> None:
    def build(context: TrainingContext) -> tuple[nn.Module, Mapping[str, Any]]:
        return AITM(context.inputs, 2, **KNOBS), KNOBS

    train_networks(
        folder / "aitm",
        context,
        name="aitm",
        architecture="aitm",
        build=build,
        training=training(),
        optimiser=OPTIMISER,
    )


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    save_mixed(folder / "processed")
    context, how = open_context(folder / "processed", "tuned", training()), fusion("out-of-fold")
    decompose(folder / "pool", context, *train_members(folder, context, how), how, (0,))
    train_aitm(folder, context)
    for name, arguments in FUSED.items():
        train_fused(
            folder / name,
            context,
            name=name,
            components=folder / "pool",
            training=training(),
            fusion=how,
            settings=settings(fit_on="train"),
            arguments=arguments,
        )
    for name in ROWS:
        (folder / "evaluation" / name).mkdir(parents=True)
        evaluate(
            folder / name,
            folder / "processed",
            folder / "evaluation" / name,
            name=name,
            seeds=(0,),
            bins=5,
            device="cpu",
            threads=1,
            deterministic=False,
        )
    return folder


@pytest.mark.parametrize("name", ROWS)
def test_each_task_is_scored_by_its_kind(evaluated: Path, name: str) -> None:
    found = json.loads((evaluated / "evaluation" / name / "metrics.json").read_text())["tasks"]
    stored = load_file(evaluated / "evaluation" / name / "predictions.safetensors")
    (logits, value), (label, true) = stored["logits"][0].T, stored["labels"].T
    assert found[TASKS[0]]["auc"] == [pytest.approx(roc_auc_score(label, logits), abs=1e-9)]
    own, expected = (TARGET.mean + TARGET.std * x.double() for x in (value, true))
    assert found[TASKS[1]] == {
        "r2": [pytest.approx(r2_score(expected, own), abs=1e-9)],
        "rmse": [pytest.approx(root_mean_squared_error(expected, own), rel=1e-9)],
        "mae": [pytest.approx(mean_absolute_error(expected, own), rel=1e-9)],
    }


@pytest.mark.parametrize("name", ROWS)
def test_history_names_each_score(evaluated: Path, name: str) -> None:
    runs = json.loads((evaluated / "evaluation" / name / "history.json").read_text())["runs"]
    for run in runs:
        for epoch in run["epochs"]:
            named = {(key, task) for key in ("auc", "r2") for task in epoch.get(key, {})}
            everything = {("auc", TASKS[0]), ("r2", TASKS[1])}
            assert named == {each for each in everything if run["task"] in (None, each[1])}


def test_the_ensemble_averages_predicted_values(evaluated: Path) -> None:
    narrow, wide, gbdt, found = (
        load_file(evaluated / "evaluation" / name / "predictions.safetensors")["logits"][0, :, 1]
        for name in ("narrow", "wide", "gbdt", "ensemble")
    )
    torch.testing.assert_close(found, (narrow + wide + gbdt) / 3)


def test_the_models_can_be_reported(evaluated: Path, tmp_path: Path) -> None:
    write_report(
        [(name, evaluated / "evaluation" / name) for name in ("narrow", "aitm", "aligned")],
        facts := facts_of("tiny", load_schema(evaluated / "processed/schema.json")),
        "tuned",
        trained=("narrow",),
        fused=("aligned",),
        metrics=tmp_path / "metrics",
        plots=tmp_path / "plots",
        report=tmp_path / "tiny.md",
    )
    found = json.loads((tmp_path / "metrics/aitm.json").read_text())
    assert facts.binary == TASKS[:1]
    mean = (found[TASKS[0]]["auc"] + found[TASKS[1]]["r2"]) / 2
    assert found["mean_score"] == pytest.approx(mean, abs=1e-7)


def test_a_penalty_gets_all_logits() -> None:
    train = replace(binary_table(50, 0), kinds=("regression", "binary"))
    train = replace(train, labels=torch.stack([train.dense[:, 0], train.labels[:, 1].float()], 1))
    model, shapes = Linear(), []
    model.penalty = lambda logits: shapes.append(logits.shape) or 0.0 * logits.sum()
    fit(model, train, train, schedule(max_epochs=1, batch_size=50), seed=0)
    assert shapes == [(50, 2)]


def test_a_linear_model_learns_a_linear_target() -> None:
    rows = table(400, 3)
    value = 2 * rows.dense[:, 0] - rows.dense[:, 1]
    labels = torch.stack([rows.labels[:, 0].float(), value], dim=1)
    train = replace(rows, labels=labels, kinds=("binary", "regression"))
    epochs = fit(Linear(), train, train, schedule(learning_rate=0.05, max_epochs=60), seed=0)
    assert max(epoch.scores[1] for epoch in epochs) > 0.999
