"""The choice of an epoch by the mean of its score and those before it."""

import pytest

from emm.training.epochs import Epoch, best_epoch, smoothed
from tests.training.fitting import Constant, mmoe, run


def epochs(scores: list[float], window: int) -> list[Epoch]:
    found: list[Epoch] = []
    for number, score in enumerate(scores, start=1):
        found.append(smoothed(Epoch(number, 1.0, (score,)), found, window))
    return found


@pytest.mark.parametrize(
    ("window", "best", "merit"),
    [(1, 2, 0.9), (2, 5, 0.82), (9, 5, 0.762)],
)
def test_an_epoch_with_a_lucky_score_is_not_the_best(window: int, best: int, merit: float) -> None:
    found = epochs([0.55, 0.9, 0.72, 0.79, 0.85], window)
    assert best_epoch(found) == best
    assert found[best - 1].merit == pytest.approx(merit)


def test_without_a_window_an_epoch_is_unchanged() -> None:
    epoch = Epoch(1, 1.0, (0.5, 0.7))
    assert smoothed(epoch, [], 1) is epoch
    assert epoch.merit == epoch.mean_score


def test_training_keeps_the_weights_of_the_epoch_with_the_best_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = [0.5, 0.9, 0.6, 0.7, 0.75, 0.8]
    values = iter(scores)
    monkeypatch.setattr("emm.training.fit.validation_scores", lambda *_: (next(values),))
    model = Constant(scores).eval()
    history = run(model, max_epochs=6, patience=6, score_window=2)
    assert best_epoch(history) == 6
    assert model.epoch.item() == 6


def test_the_scores_of_the_epochs_are_those_without_a_window() -> None:
    plain, windowed = (run(mmoe(), max_epochs=3, score_window=window) for window in (1, 3))
    assert [epoch.scores for epoch in plain] == [epoch.scores for epoch in windowed]
    assert windowed[2].smoothed == pytest.approx(sum(epoch.mean_score for epoch in plain) / 3)
