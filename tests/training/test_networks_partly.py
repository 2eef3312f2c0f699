"""Single-task networks on a table with missing labels learn on the labelled rows of their task."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from emm.data.tables.folds import without_fold
from emm.data.tables.rows import RowTensors
from emm.models.mmoe import MMoE
from emm.models.single_task import SingleTask
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, schedule_of
from emm.training.fit import fit
from emm.training.networks import build_network, fresh_network, train_networks
from emm.training.settings import FoldSettings, OptimiserSettings, TrainingSettings
from emm.training.store import load_model
from tests.data.tables.streamed import stream
from tests.training.interrupted import always, contents, stage, through
from tests.training.partly import CONTEXT, KINDS, OUTPUTS, SCHEMA, TASKS, TRAIN, VALIDATION
from tests.training.tiny import IDENTITY, OPTIMISER, STRUCTURES, training

ARGUMENTS = {**STRUCTURES["narrow"], "dropout": 0.2}
PROTOCOL = training(seeds=(0, 2))


def train_singles(
    out: Path,
    checkpoint: Checkpoint | None = None,
    *,
    context: TrainingContext = CONTEXT,
    protocol: TrainingSettings = PROTOCOL,
    arguments: dict[str, Any] = ARGUMENTS,
    folds: FoldSettings | None = None,
    optimiser: OptimiserSettings = OPTIMISER,
) -> None:
    train_networks(
        out,
        context,
        checkpoint,
        name="narrow",
        architecture="single_task",
        build=partial(build_network, SingleTask, arguments),
        training=protocol,
        optimiser=optimiser,
        per_task=True,
        folds=folds,
    )


def subset(rows: RowTensors, number: int) -> RowTensors:
    """The labelled rows of a task, copied by hand into a table that has no other task."""
    kept = [n for n, label in enumerate(rows.labels[:, number].tolist()) if label == label]
    labels = rows.labels[kept, number].unsqueeze(1)
    if KINDS[number] == "binary":
        return RowTensors(rows.dense[kept], rows.sparse[kept], labels.byte())
    outputs = (3,) if KINDS[number] == "classes" else ()
    return RowTensors(
        rows.dense[kept], rows.sparse[kept], labels, kinds=(KINDS[number],), outputs=outputs
    )


def by_hand(number: int, seed: int, rows: RowTensors = TRAIN) -> nn.Module:
    """The network of one task, trained on its subset."""
    outputs = {"outputs": (3,)} if KINDS[number] == "classes" else {}

    def build(context: TrainingContext) -> tuple[nn.Module, dict[str, Any]]:
        return SingleTask(context.inputs, **ARGUMENTS, **outputs), {}

    names = ("narrow", TASKS[number])
    model, _ = fresh_network(build, CONTEXT, seed, *names)
    how = schedule_of(PROTOCOL, OPTIMISER, SCHEMA)
    fit(model, subset(rows, number), subset(VALIDATION, number), how, seed=seed, names=names)
    return model


def assert_stored(folder: Path, model: nn.Module) -> None:
    stored = load_file(folder / "model.safetensors")
    assert all(torch.equal(stored[name], value) for name, value in model.state_dict().items())


def test_each_network_is_that_of_its_labelled_rows_bit_for_bit(tmp_path: Path) -> None:
    train_singles(tmp_path)
    for seed in (0, 2):
        for number, task in enumerate(TASKS):
            assert_stored(tmp_path / f"seed-{seed}" / task, by_hand(number, seed))
    runs = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert [(run["seed"], run["task"]) for run in runs] == [(s, t) for s in (0, 2) for t in TASKS]
    named = {run["task"]: set(run["epochs"][0]) - {"epoch", "train_loss"} for run in runs}
    assert named == {
        "click": {"auc"},
        "grade": {"auc"},
        "number": {"auc", "r2"},
        "conversion": {"auc"},
    }


def test_only_the_model_of_classes_stores_its_outputs(tmp_path: Path) -> None:
    train_singles(tmp_path, protocol=training(max_epochs=1))
    for task in TASKS:
        model, about = load_model(tmp_path / "seed-0" / task, IDENTITY)
        assert about.tasks == (task,)
        assert about.arguments.get("outputs") == ([3] if task == "grade" else None)
        assert model(VALIDATION.dense, VALIDATION.sparse).shape == (
            200,
            3 if task == "grade" else 1,
        )


def test_folds_are_over_all_rows(tmp_path: Path) -> None:
    """So the models of all tasks leave out the same rows."""
    train_singles(tmp_path, protocol=training(), folds=FoldSettings("held-out", 3))
    rows = without_fold(TRAIN, 0, 3, seed=0)
    assert isinstance(rows, RowTensors)
    assert_stored(tmp_path / "seed-0/grade", by_hand(1, 0, rows))


def test_streamed_rows_with_full_batches_learn_the_same(tmp_path: Path) -> None:
    protocol = training(batch_size=300)
    data = stream(TRAIN, tmp_path / "train.parquet", window=90, block=20)
    plain = {**ARGUMENTS, "dropout": 0.0}
    for name, train in (("held", TRAIN), ("streamed", data)):
        context = replace(CONTEXT, train=train)
        train_singles(tmp_path / name, context=context, protocol=protocol, arguments=plain)
    held, streamed = (
        json.loads((tmp_path / name / "history.json").read_text())["runs"]
        for name in ("held", "streamed")
    )
    for own, other in zip(held, streamed, strict=True):
        losses = [epoch["train_loss"] for epoch in own["epochs"]]
        assert [e["train_loss"] for e in other["epochs"]] == pytest.approx(losses, rel=1e-4)


def test_all_seeds_of_a_task_train_in_one_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the losses of the first epoch are compared: Adam enlarges rounding in later ones."""
    plain = {**ARGUMENTS, "dropout": 0.0}
    for name, vectorised in (("single", False), ("stacked", True)):
        protocol = training(seeds=(0, 2), vectorised=vectorised)
        train_singles(tmp_path / name, protocol=protocol, arguments=plain)
    assert "one after another" not in capsys.readouterr().err
    single, stacked = (
        json.loads((tmp_path / name / "history.json").read_text())["runs"]
        for name in ("single", "stacked")
    )
    for own, other in zip(single, stacked, strict=True):
        assert (own["seed"], own["task"]) == (other["seed"], other["task"])
        loss = own["epochs"][0]["train_loss"]
        assert other["epochs"][0]["train_loss"] == pytest.approx(loss, abs=1e-4)


def test_an_interrupted_stage_writes_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("at-once", "resumed"):
        (tmp_path / name).mkdir()
    train_singles(tmp_path / "at-once/out")
    always(monkeypatch)
    work = partial(stage, tmp_path / "resumed", train_singles)
    assert list(through(work, [3, 9, 20], monkeypatch))
    assert contents(tmp_path / "resumed/out") == contents(tmp_path / "at-once/out")


def test_a_positive_weight_reaches_the_network_of_its_task_only(tmp_path: Path) -> None:
    for name, weights in (("plain", {}), ("weighted", {"conversion": 4.0})):
        train_singles(tmp_path / name, protocol=training(positive_weight=weights, max_epochs=1))
    for task, changed in (("click", False), ("conversion", True)):
        files = (tmp_path / name / "seed-0" / task for name in ("plain", "weighted"))
        weights = {(file / "model.safetensors").read_bytes() for file in files}
        assert len(weights) == 1 + changed


def test_a_network_of_all_tasks_stores_its_outputs(tmp_path: Path) -> None:
    knobs = {"embedding_dim": 2, "experts": 2, "expert": [4], "tower": [4], "dropout": 0.2}
    train_networks(
        tmp_path,
        CONTEXT,
        name="mmoe",
        architecture="mmoe",
        build=partial(build_network, MMoE, knobs),
        training=training(positive_weight={"click": 2.0}),
        optimiser=OPTIMISER,
    )
    model, about = load_model(tmp_path / "seed-0", IDENTITY)
    assert about.arguments["outputs"] == list(OUTPUTS)
    assert model(VALIDATION.dense, VALIDATION.sparse).shape == (200, 6)
