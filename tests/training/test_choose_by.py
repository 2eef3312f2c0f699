"""The choice of the best epoch by the validation loss."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from emm.training.epochs import Epoch, best_epoch
from emm.training.fit import epoch_before_training, predict, validation_scores
from tests.training.fitting import TRAIN, VALIDATION, Constant, mmoe, run


def test_the_epoch_of_the_least_loss_is_the_best_whatever_its_score() -> None:
    scores, losses = [0.6, 0.9, 0.8, 0.7], [0.5, 0.6, 0.3, 0.3]
    pairs = list(zip(scores, losses, strict=True))
    by_score = [Epoch(n, 1.0, (score,)) for n, (score, _) in enumerate(pairs, 1)]
    by_loss = [Epoch(n, 1.0, (score,), loss) for n, (score, loss) in enumerate(pairs, 1)]
    assert best_epoch(by_score) == 2
    assert best_epoch(by_loss) == 3


def test_training_keeps_the_weights_of_the_epoch_with_the_least_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = iter([0.9, 0.5, 0.6])
    monkeypatch.setattr("emm.training.fit.validation_scores", lambda *_: (next(values),))
    losses = iter([0.7, 0.3, 0.4])
    monkeypatch.setattr("emm.training.fit.losses_of", lambda *_: torch.tensor([next(losses)]))
    monkeypatch.setattr("emm.training.fit.predict", lambda *_: None)
    model = Constant([0.0] * 3).eval()
    history = run(model, max_epochs=3, patience=3, choose_by="loss")
    assert best_epoch(history) == model.epoch.item() == 2


def test_the_loss_is_the_mean_cross_entropy_of_validation() -> None:
    model = mmoe()
    history = run(model, max_epochs=2, patience=2, choose_by="loss")
    best = history[best_epoch(history) - 1]
    logits = predict(model, VALIDATION)
    expected = binary_cross_entropy_with_logits(logits, VALIDATION.labels.float())
    assert best.loss == pytest.approx(float(expected), rel=1e-6)
    assert best.scores == validation_scores(model, VALIDATION)


def test_epochs_differ_only_in_which_is_kept() -> None:
    by_score, by_loss = (run(mmoe(), max_epochs=3, choose_by=by) for by in ("score", "loss"))
    assert [epoch.scores for epoch in by_score] == [epoch.scores for epoch in by_loss]
    assert all(epoch.loss is None for epoch in by_score)


def test_the_epoch_before_training_is_compared_by_the_same_measure() -> None:
    start = epoch_before_training(mmoe(), TRAIN, VALIDATION, choose_by="loss")
    history = run(mmoe(), max_epochs=4, learning_rate=0.05, choose_by="loss")
    assert start.loss is not None
    assert best_epoch([start, *history]) > 0
