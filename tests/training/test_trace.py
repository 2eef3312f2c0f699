import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from emm.training.epochs import Epoch
from emm.training.fit import fit
from emm.training.history import run_record, write_history
from emm.training.trace import MOST, StepLosses, parted, trace_of, weights_hash
from emm.training.vectorised import StackedModel, fit_vectorised
from tests.training.fitting import TRAIN, VALIDATION, mmoe, schedule

STEPS = 5  # of an epoch: 300 rows in batches of 64


def sums(count: int) -> Iterator[Tensor]:
    return iter(torch.arange(1.0, count + 1, dtype=torch.float64)[:, None])


@pytest.mark.parametrize(
    ("steps", "every", "kept"),
    [(7, 1, 7), (2 * MOST - 1, 1, 2 * MOST - 1), (2 * MOST, 2, MOST), (9 * MOST, 8, 9 * MOST // 8)],
)
def test_a_long_epoch_keeps_every_nth_loss(steps: int, every: int, kept: int) -> None:
    losses = StepLosses()
    for step, value in enumerate(sums(steps), start=1):
        losses.add(step, value)
    assert losses.every == every
    assert losses.values().tolist() == [every * (n + 1) for n in range(kept)]


def test_the_hash_is_that_of_all_weights_and_buffers() -> None:
    one, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    assert weights_hash(one) == weights_hash(other)
    with torch.no_grad():
        other.running_mean[1] += 1e-6  # type: ignore[index, operator]
    assert weights_hash(one) != weights_hash(other)


def test_a_run_has_the_losses_of_each_step(tmp_path: Path) -> None:
    epochs = fit(mmoe(), TRAIN, VALIDATION, schedule(max_epochs=2), seed=0)
    for epoch in epochs:
        # The last sum is that of the epoch, from which its mean loss is computed.
        assert epoch.losses[-1] / len(TRAIN) / 2 == pytest.approx(epoch.train_loss, abs=1e-12)
        assert len(epoch.losses) == STEPS
    write_history(tmp_path, [run_record(0, ["a", "b"], epochs)])
    (run,) = json.loads((tmp_path / "trace.json").read_text())["runs"]
    assert run == {"seed": 0, "task": None, "trace": trace_of(epochs)}
    assert "trace" not in (tmp_path / "history.json").read_text()


def test_a_run_without_epochs_of_its_own_has_no_trace(tmp_path: Path) -> None:
    write_history(tmp_path, [run_record(0, ["a"], [Epoch(0, 0.5, (0.5,))])])
    assert not (tmp_path / "trace.json").exists()


def test_models_in_one_pass_have_the_losses_of_their_own_run() -> None:
    how = schedule(max_epochs=2)
    models = [StackedModel(mmoe(0.0), TRAIN, VALIDATION, seed, ()) for seed in (0, 1)]
    for seed, epochs in enumerate(fit_vectorised(models, how)):
        alone = fit(mmoe(0.0), TRAIN, VALIDATION, how, seed=seed)
        for one, other in zip(epochs, alone, strict=True):
            assert one.losses == pytest.approx(other.losses, rel=1e-5)
            assert one.weights


def trace(*losses: list[float], weights: str = "w", every: int = 1) -> list[dict[str, object]]:
    epochs = [
        Epoch(number, 0.0, (), weights=weights, every=every, losses=tuple(each))
        for number, each in enumerate(losses, start=1)
    ]
    return trace_of(epochs)


ONE = trace([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("other", "where"),
    [
        (ONE, None),
        (trace([1.0, 2.0], [1.0, 2.5, 4.0]), "epoch 2, step 2: the sum of the losses is 2.0 there"),
        (trace([1.0, 2.0], [1.0, 2.0, 3.0], weights="v"), "epoch 1, after step 2"),
        (trace([1.0, 2.0]), "after epoch 1: 2 epochs there, 1 here"),
    ],
)
def test_where_two_runs_part(other: list[dict[str, object]], where: str | None) -> None:
    found = parted(ONE, other)
    assert found is None if where is None else found is not None and where in found


def test_of_a_long_epoch_the_steps_are_a_range() -> None:
    found = parted(trace([1.0, 2.0], every=4), trace([1.0, 3.0], every=4))
    assert found is not None
    assert "epoch 1, steps 5 to 8:" in found


def test_epochs_are_equal_without_their_traces() -> None:
    # A run in one pass, or on another machine, is compared by its scores.
    one = Epoch(1, 0.5, (0.5,), weights="a", losses=(1.0,))
    assert one == Epoch(**{**asdict(one), "weights": "b"})
