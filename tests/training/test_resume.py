"""An interrupted run ends with the same bits as an uninterrupted one."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emm.data.tables.rows import Rows
from emm.training.checkpoint import Checkpoint
from emm.training.epochs import Epoch
from emm.training.fit import Schedule, fit
from emm.training.weighting import WEIGHTINGS
from tests.data.tables.streamed import stream
from tests.training.fitting import TRAIN, VALIDATION, mmoe, schedule
from tests.training.interrupted import ORIGIN, always, through

DRAW = random.Random(0)
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {"fixed": {"weights": [0.5, 1.5]}}
RULES = [{"rule": name, **ARGUMENTS.get(name, {})} for name in WEIGHTINGS]
MOVES = {"optimiser": "adamw", "lr_schedule": "one-cycle", "ema_decay": 0.9, "weight_decay": 0.01}


def run(
    how: Schedule, train: Rows = TRAIN, checkpoint: Checkpoint | None = None
) -> tuple[list[Epoch], dict[str, Tensor]]:
    model: nn.Module = mmoe()
    epochs = fit(model, train, VALIDATION, how, seed=0, checkpoint=checkpoint)
    return epochs, model.state_dict()


def assert_the_same_bits(
    how: Schedule, steps: list[int], folder: Path, patch: pytest.MonkeyPatch, train: Rows = TRAIN
) -> None:
    expected = run(how, train)
    always(patch)
    stage = Checkpoint("", folder, ORIGIN)
    found = []
    taken = list(through(lambda: found.append(run(how, train, stage)), steps, patch))
    assert taken
    ((epochs, weights),) = found
    assert epochs == expected[0]
    assert all(torch.equal(weights[name], value) for name, value in expected[1].items())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_interrupted_within_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: Mapping[str, Any]
) -> None:
    how = replace(schedule(max_epochs=3, patience=9, **MOVES), weighting=rule)
    steps = [DRAW.randint(2, 7) for _ in range(3)]
    assert_the_same_bits(how, steps, tmp_path, monkeypatch)


@pytest.mark.parametrize("moves", [{}, {"ema_decay": 0.9}, {"lr_schedule": "one-cycle"}])
@pytest.mark.parametrize("step", [1, 2, 5, 6, 10])
def test_interrupted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: dict[str, Any], step: int
) -> None:
    how = schedule(max_epochs=2, patience=9, **moves)  # 5 steps each
    assert_the_same_bits(how, [step], tmp_path, monkeypatch)


def test_patience_counts_epochs_before_the_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = schedule(max_epochs=20, patience=2, learning_rate=0.3)
    assert len(run(how)[0]) < 20
    assert_the_same_bits(how, [8, 4, 6], tmp_path, monkeypatch)


@pytest.mark.parametrize("steps", [[4, 3, 9], [7, 2, 2, 6]])
def test_interrupted_with_streamed_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[int]
) -> None:
    data = stream(TRAIN, tmp_path / "train.parquet", window=90, block=20)
    how = schedule(max_epochs=3, patience=9, batch_size=32, **MOVES)
    assert_the_same_bits(how, steps, tmp_path / "kept", monkeypatch, data)


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Checkpoint("", tmp_path, ORIGIN)
    first = run(schedule(), checkpoint=stage)
    monkeypatch.setattr("emm.training.fit.train_epoch", None)
    again = run(schedule(), checkpoint=stage)
    assert again[0] == first[0]
    assert all(torch.equal(again[1][name], value) for name, value in first[1].items())


def test_a_checkpoint_with_another_order_of_batches_is_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Checkpoint("", tmp_path / "kept", ORIGIN)
    run(schedule(max_epochs=1), checkpoint=stage)
    data = stream(TRAIN, tmp_path / "train.parquet", window=90, block=20)
    found = run(schedule(max_epochs=1), data, stage)
    assert "another order" in capsys.readouterr().err
    assert found[0] == run(schedule(max_epochs=1), data)[0]


def test_an_interrupted_run_says_where_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    always(monkeypatch)
    stage = Checkpoint("", tmp_path, ORIGIN)
    list(through(lambda: run(schedule(max_epochs=3), checkpoint=stage), [8], monkeypatch))
    assert "seed-0: resumes after epoch 1 and 2 batches" in capsys.readouterr().err


@pytest.mark.parametrize("rule", ["uncertainty", "dwa", "gradnorm", "pcgrad"])
def test_interrupted_with_missing_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    how = replace(schedule(max_epochs=2, patience=9, **MOVES), weighting={"rule": rule})
    missing = torch.arange(len(TRAIN)).unsqueeze(1) % torch.tensor([3, 40]) > 0
    labels = TRAIN.labels.float().masked_fill(missing, torch.nan)  # of the second task: 8 rows
    train = replace(TRAIN, labels=labels, partly_labelled=True)
    assert_the_same_bits(how, [3, 5], tmp_path, monkeypatch, train)
