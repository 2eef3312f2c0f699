from dataclasses import replace

import pytest
import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.rows import RowTensors
from emm.metrics.ranking import auc
from emm.nn.losses import task_losses
from emm.training.epochs import best_epoch
from emm.training.fit import fit, predict
from tests.training.fitting import TRAIN, VALIDATION, Constant, Linear, mmoe, run, schedule


def test_training_learns() -> None:
    history = run(mmoe(), max_epochs=15)
    assert history[-1].train_loss < history[0].train_loss
    assert max(epoch.mean_score for epoch in history) > 0.75


def test_the_best_epochs_weights_are_restored() -> None:
    model = mmoe()
    history = run(model, learning_rate=0.05, max_epochs=12)
    logits = predict(model, VALIDATION)
    found = tuple(auc(logits[:, t], VALIDATION.labels[:, t]) for t in range(2))
    best = best_epoch(history)
    assert best < len(history)
    assert found == history[best - 1].scores
    assert not model.training


@pytest.mark.parametrize(
    ("aucs", "patience", "epochs", "best"),
    [
        ([0.6, 0.7, 0.65, 0.66, 0.9], 2, 4, 2),
        ([0.6, 0.7, 0.7, 0.7], 2, 4, 2),
        ([0.6, 0.7, 0.8, 0.9], 1, 4, 4),
        ([0.9, 0.1], 1, 2, 1),
    ],
)
def test_it_stops_after_patience_epochs_without_a_better_auc(
    monkeypatch: pytest.MonkeyPatch, aucs: list[float], patience: int, epochs: int, best: int
) -> None:
    values = iter(aucs)
    monkeypatch.setattr("emm.training.fit.validation_scores", lambda *_: (next(values),))
    model = Constant(aucs).eval()
    history = run(model, max_epochs=len(aucs), patience=patience)
    assert (len(history), best_epoch(history)) == (epochs, best)
    assert model.epoch.item() == best


def test_the_same_seed_gives_the_same_bits() -> None:
    first, again = mmoe(), mmoe()
    assert run(first) == run(again)
    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_another_seed_changes_the_run() -> None:
    first, other = mmoe(), mmoe()
    run(first)
    fit(other, TRAIN, VALIDATION, schedule(), seed=1)
    assert not torch.equal(first.front.table.weight, other.front.table.weight)


def test_frozen_weights_stay_bit_identical() -> None:
    model = mmoe()
    model.experts.requires_grad_(requires_grad=False)
    before = {k: v.clone() for k, v in model.named_parameters() if not v.requires_grad}
    run(model)
    after = dict(model.named_parameters())
    assert before
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_one_epoch_equals_a_plain_loop_with_plain_adam() -> None:
    model, twin = mmoe(dropout=0.0), mmoe(dropout=0.0)
    history = run(model, max_epochs=1, batch_size=len(TRAIN), weight_decay=0.01)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=0.01)
    loss = task_losses(twin(*TRAIN.inputs), TRAIN.labels.float()).mean()
    loss.backward()
    optimiser.step()
    assert history[0].train_loss == pytest.approx(loss.item(), rel=1e-5)
    for (name, left), right in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(left, right, msg=lambda m, name=name: f"{name}: {m}")


def test_the_penalty_of_a_model_is_added_to_the_loss() -> None:
    model, twin = Linear(), Linear()
    model.penalty = lambda logits: 0.3 * logits.square().mean()
    history = run(model, max_epochs=1, batch_size=len(TRAIN))
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01)
    logits = twin(*TRAIN.inputs)
    losses = task_losses(logits, TRAIN.labels.float())
    (losses.mean() + 0.3 * logits.square().mean()).backward()
    optimiser.step()
    assert history[0].train_loss == pytest.approx(losses.mean().item(), rel=1e-5)
    for left, right in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(left, right)


def test_a_penalty_can_use_labels_and_row_weights() -> None:
    class Labelled(Linear):
        def logits_and_penalty(
            self, inputs: tuple[Tensor, ...], labels: Tensor, weights: Tensor
        ) -> tuple[Tensor, Tensor]:
            logits = self(*inputs)
            return logits, (weights.unsqueeze(1) * labels * logits).mean()

    model, twin = Labelled(), Linear()
    train = replace(TRAIN, weights=torch.arange(len(TRAIN)) % 3 + 1.0)
    fit(model, train, VALIDATION, schedule(max_epochs=1, batch_size=len(TRAIN)), seed=0)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01)
    logits, labels = twin(*train.inputs), train.labels.float()
    extra = (train.weights.unsqueeze(1) * labels * logits).mean()
    (task_losses(logits, labels, train.weights).mean() + extra).backward()
    optimiser.step()
    for left, right in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(left, right)


def test_integer_row_weights_equal_repeated_rows() -> None:
    weights = torch.arange(len(TRAIN)) % 3
    repeated = TRAIN.rows(torch.arange(len(TRAIN)).repeat_interleave(weights))
    found = []
    for train in (replace(TRAIN, weights=weights.float()), repeated):
        model = Linear()
        fit(model, train, VALIDATION, schedule(max_epochs=1, batch_size=10_000), seed=0)
        found.append(model.layer.weight.detach())
    torch.testing.assert_close(*found)


def test_cached_predictions_reach_the_model() -> None:
    class Offset(Linear):
        def forward(self, dense: Tensor, sparse: Tensor, cached: Tensor) -> Tensor:
            return super().forward(dense, sparse) + cached

    offset = torch.tensor([1.0, -2.0])
    train, validation = (
        replace(x, cached_predictions=offset.repeat(len(x), 1)) for x in (TRAIN, VALIDATION)
    )
    model = Offset()
    fit(model, train, validation, schedule(max_epochs=1), seed=0)
    torch.testing.assert_close(predict(model, validation), model.layer(VALIDATION.dense) + offset)


def test_a_loss_that_is_not_a_number_is_an_error() -> None:
    broken = RowTensors(TRAIN.dense * torch.nan, TRAIN.sparse, TRAIN.labels)
    with pytest.raises(DataError, match="loss is not a number"):
        fit(mmoe(), broken, VALIDATION, schedule(), seed=0)


def test_prediction_in_batches_equals_prediction_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mmoe().eval()
    whole = predict(model, VALIDATION)
    monkeypatch.setattr("emm.training.fit.EVALUATION_ROWS", 37)
    torch.testing.assert_close(predict(model, VALIDATION), whole)
