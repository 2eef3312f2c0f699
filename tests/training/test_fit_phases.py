"""Averaged weights, loss weighting, and training that continues from earlier epochs."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emm.nn.losses import task_losses
from emm.training.epochs import Epoch, best_epoch
from emm.training.fit import epoch_before_training, fit, validation_scores
from emm.training.seeds import order_generator
from emm.training.weighting.uncertainty import Uncertainty
from tests.training.fitting import TRAIN, VALIDATION, Constant, Linear, mmoe, run, schedule


def test_the_averaged_model_that_was_evaluated_is_kept() -> None:
    model = mmoe()
    history = run(model, ema_decay=0.9, learning_rate=0.05)
    assert validation_scores(model, VALIDATION) == history[best_epoch(history) - 1].scores


def test_averaged_weights_are_the_moving_average_of_the_steps() -> None:
    model, twin = Linear(), Linear()
    run(model, max_epochs=1, batch_size=100, ema_decay=0.8)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01)
    averages: list[Tensor] = []
    for index in batches_of_the_run(100):
        batch = TRAIN.rows(index)
        optimiser.zero_grad()
        task_losses(twin(*batch.inputs), batch.labels.float()).mean().backward()
        optimiser.step()
        weights = [weight.detach().clone() for weight in twin.parameters()]
        old = averages or weights
        averages = [0.8 * a + 0.2 * w for a, w in zip(old, weights, strict=True)]
    for kept, average, last in zip(model.parameters(), averages, weights, strict=True):
        torch.testing.assert_close(kept.detach(), average)
        assert not torch.allclose(kept, last, rtol=0, atol=1e-4)


def batches_of_the_run(batch_size: int) -> list[Tensor]:
    """Row numbers of the batches in the first epoch of seed 0."""
    order = order_generator(0, torch.device("cpu"))
    return list(torch.split(torch.randperm(len(TRAIN), generator=order), batch_size))


def test_the_weighting_rule_is_used_and_its_weights_learn_without_decay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules: list[Uncertainty] = []

    def make(tasks: int, **_arguments: Any) -> Uncertainty:
        rules.append(Uncertainty(tasks))
        nn.init.constant_(rules[0].log_variances, 1.0)
        return rules[0]

    monkeypatch.setattr("emm.training.fit.make_weighting", make)
    model, twin, rule = Linear(), Linear(), Uncertainty(2)
    nn.init.constant_(rule.log_variances, 1.0)
    run(model, max_epochs=1, batch_size=len(TRAIN), weight_decay=0.5, optimiser="adamw")
    own = {"params": rule.parameters(), "weight_decay": 0.0}
    optimiser = torch.optim.AdamW([{"params": twin.parameters()}, own], lr=0.01, weight_decay=0.5)
    rule.combine(task_losses(twin(*TRAIN.inputs), TRAIN.labels.float())).backward()
    optimiser.step()
    torch.testing.assert_close(rules[0].log_variances, rule.log_variances)
    torch.testing.assert_close(model.layer.weight, twin.layer.weight)


def test_the_schedule_names_the_weighting_rule() -> None:
    model, twin = Linear(), Linear()
    rule = {"rule": "fixed", "weights": [1.6, 0.4]}
    # Adam's first step only depends on the gradient through its size relative to the L2 penalty.
    run(model, max_epochs=1, batch_size=len(TRAIN), weight_decay=1.0, weighting=rule)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=1.0)
    first, second = task_losses(twin(*TRAIN.inputs), TRAIN.labels.float())
    (0.8 * first + 0.2 * second).backward()
    optimiser.step()
    torch.testing.assert_close(model.layer.weight, twin.layer.weight)


def continued(
    monkeypatch: pytest.MonkeyPatch, start: list[float], aucs: list[float], patience: int
) -> tuple[list[Epoch], Constant]:
    """A phase with the AUCs ``aucs`` after epochs 0, 1, ... with the AUCs ``start``."""
    values = iter(aucs)
    monkeypatch.setattr("emm.training.fit.validation_scores", lambda *_: (next(values),))
    model = Constant(aucs).eval()
    behind = [Epoch(number, 0.0, (value,)) for number, value in enumerate(start)]
    found = fit(
        model,
        TRAIN,
        VALIDATION,
        schedule(max_epochs=len(aucs), patience=patience),
        seed=0,
        history=behind,
    )
    return found, model


@pytest.mark.parametrize(
    ("start", "aucs", "patience", "epochs", "best", "kept"),
    [
        ([0.5], [0.6, 0.7], 9, 3, 2, 2),
        ([0.5, 0.8], [0.6, 0.7, 0.9], 9, 5, 4, 3),
        ([0.9], [0.6, 0.7], 9, 3, 0, 0),
        ([0.5, 0.9, 0.6], [0.7, 0.8, 0.85], 2, 5, 1, 0),
        ([0.5, 0.9, 0.6, 0.6, 0.6], [0.8, 0.95, 0.7, 0.7, 0.7], 2, 9, 6, 2),
        ([0.9], [0.9, 0.9], 9, 3, 0, 0),
    ],
)
def test_a_phase_continues_from_the_epochs_before_it(
    monkeypatch: pytest.MonkeyPatch,
    start: list[float],
    aucs: list[float],
    patience: int,
    epochs: int,
    best: int,
    kept: int,
) -> None:
    history, model = continued(monkeypatch, start, aucs, patience)
    assert [epoch.epoch for epoch in history] == list(range(epochs))
    assert [epoch.scores[0] for epoch in history] == (start + aucs)[:epochs]
    assert best_epoch(history) == best
    assert model.epoch.item() == kept
    assert not model.training


def test_epoch_0_is_the_untrained_model() -> None:
    model = mmoe().train()
    weights = torch.rand(len(TRAIN)) + 0.5
    epoch = epoch_before_training(model, replace(TRAIN, weights=weights), VALIDATION)
    with torch.no_grad():
        logits = model.eval()(*TRAIN.inputs)
    each = nn.functional.binary_cross_entropy_with_logits(
        logits, TRAIN.labels.float(), weights.unsqueeze(1).expand(-1, 2), reduction="sum"
    )
    assert epoch.epoch == 0
    assert epoch.train_loss == pytest.approx(float(each / weights.sum() / 2), rel=1e-5)
    assert epoch.scores == validation_scores(model, VALIDATION)
