"""Bootstraps and confidence intervals of AUCs against slow restatements and DeLong's test."""

import math

import pytest
import torch
from scipy.stats import norm, t
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.bootstrap import auc_replicates, compare_replicates, mean_and_error
from emm.metrics.classes import macro_auc
from emm.metrics.procedures import Estimate, Interval, estimate
from emm.metrics.ranking import auc
from emm.metrics.significance import auc_over_seeds, delong, delong_over_seeds
from emm.metrics.uncertainty import ScoredRows, auc_interval, compare_aucs, logit_interval

ROWS, SEEDS, CLASSES = 400, 2, 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def labels() -> Tensor:
    return (torch.rand(ROWS, generator=generator()) < 0.3).float()


@pytest.fixture
def scores(labels: Tensor) -> Tensor:
    """[S, N] with ties."""
    return ((torch.randn(SEEDS, ROWS, generator=generator(1)) + labels) * 5).round() / 5


@pytest.fixture
def classes() -> Tensor:
    return torch.tensor([0.6, 0.3, 0.1]).multinomial(ROWS, replacement=True, generator=generator(2))


@pytest.fixture
def logits(classes: Tensor) -> Tensor:
    """[S, N, C]."""
    noise = torch.randn(SEEDS, ROWS, CLASSES, generator=generator(3))
    return torch.nn.functional.one_hot(classes, CLASSES) + noise


@pytest.fixture
def weights() -> Tensor:
    return (2 * torch.rand(ROWS, generator=generator(4)) - 0.2).clamp(min=0)


def test_the_first_replicate_is_the_auc(scores: Tensor, labels: Tensor, weights: Tensor) -> None:
    found = auc_replicates(scores, labels, resamples=3)
    assert found[0].item() == pytest.approx(sum(auc(s, labels) for s in scores) / 2, abs=1e-12)
    found = auc_replicates(scores, labels, weights, resamples=3)
    expected = sum(auc(each, labels, weights) for each in scores) / 2
    assert found[0].item() == pytest.approx(expected, abs=1e-12)


def test_the_first_replicate_of_classes_is_the_macro_auc(logits: Tensor, classes: Tensor) -> None:
    found = auc_replicates(logits, classes, resamples=3)
    expected = sum(macro_auc(each, classes) for each in logits) / 2
    assert found[0].item() == pytest.approx(expected, abs=1e-12)


def test_a_replicate_is_the_auc_of_drawn_rows_with_the_sizes_of_the_classes_kept() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    found = auc_replicates(torch.tensor([[1.0, 3.0, 2.0, 3.0]]), labels, resamples=4000)
    # Of a pair of draws, the first negative loses to both positives, the second one loses to
    # neither and ties with the second one.
    mean, spread = 5 / 8, math.sqrt(sum((x - 5 / 8) ** 2 for x in possible()) / len(possible()))
    assert found[1:].mean().item() == pytest.approx(mean, abs=4 * spread / math.sqrt(4000))
    assert found[1:].std().item() == pytest.approx(spread, rel=0.06)
    assert set(found[1:].tolist()) == set(possible())


def possible() -> list[float]:
    """AUC of each of the 16 equally likely resamples of the rows above."""
    wins = {(1.0, 2.0): 1.0, (1.0, 3.0): 1.0, (3.0, 2.0): 0.0, (3.0, 3.0): 0.5}
    negatives = [(a, b) for a in (1.0, 3.0) for b in (1.0, 3.0)]
    positives = [(a, b) for a in (2.0, 3.0) for b in (2.0, 3.0)]
    return [
        sum(wins[n, p] for n in lower for p in upper) / 4
        for lower in negatives
        for upper in positives
    ]


def test_the_bootstrap_error_of_a_binary_auc_is_that_of_delong(
    scores: Tensor, labels: Tensor
) -> None:
    expected, error = auc_over_seeds(scores, labels)
    found = mean_and_error(auc_replicates(scores, labels))
    assert found == (pytest.approx(expected, abs=1e-12), pytest.approx(error, rel=0.08))


def test_the_bootstrap_test_of_a_binary_task_is_that_of_delong(
    scores: Tensor, labels: Tensor
) -> None:
    other = scores + torch.randn(SEEDS, ROWS, generator=generator(5))
    expected = delong_over_seeds(scores, other, labels)
    found = compare_replicates(auc_replicates(scores, labels), auc_replicates(other, labels))
    assert found.difference == pytest.approx(expected.difference, abs=1e-12)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.08)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.z)), rel=1e-12)


def test_two_classes_are_a_binary_task(scores: Tensor, labels: Tensor) -> None:
    pair = torch.stack([torch.zeros_like(scores), scores], dim=2)
    torch.testing.assert_close(auc_replicates(pair, labels), auc_replicates(scores, labels))


def test_a_model_does_not_differ_from_itself(logits: Tensor, classes: Tensor) -> None:
    replicates = auc_replicates(logits, classes, resamples=20)
    assert compare_replicates(replicates, auc_replicates(logits, classes, resamples=20)).p == 1


def test_equal_weights_weigh_nothing(scores: Tensor, labels: Tensor) -> None:
    twice = auc_replicates(scores, labels, torch.full((ROWS,), 2.0), resamples=20)
    torch.testing.assert_close(twice, auc_replicates(scores, labels, resamples=20))


def test_blocks_of_resamples_do_not_change_their_number(
    scores: Tensor, labels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emm.metrics.bootstrap._ELEMENTS", 7 * ROWS)
    assert len(auc_replicates(scores, labels, resamples=20)) == 21


def test_a_class_of_one_row_has_no_bootstrap(logits: Tensor, classes: Tensor) -> None:
    classes[classes == 2] = 0
    classes[0] = 2
    with pytest.raises(DataError, match="at least two rows of each class"):
        auc_replicates(logits, classes)
    assert auc_interval(ScoredRows(logits, classes)) is None


def test_the_error_of_one_auc_is_that_of_its_difference_from_a_constant_score(
    scores: Tensor, labels: Tensor
) -> None:
    mean, error = auc_over_seeds(scores[:1], labels)
    against_chance = delong(scores[0], torch.zeros(ROWS), labels)
    assert mean == auc(scores[0], labels)
    assert error == pytest.approx(against_chance.standard_error, rel=1e-12)


def test_an_interval_is_symmetric_in_the_logit_with_the_error_of_the_delta_method() -> None:
    low, high = logit_interval(Estimate(0.9, 0.006, 0.008, 4)) or (0, 0)
    reach = t.ppf(0.975, 4) * 0.01 / (0.9 * 0.1)
    assert math.log(low / (1 - low)) == pytest.approx(math.log(9) - reach, rel=1e-12)
    assert math.log(high / (1 - high)) == pytest.approx(math.log(9) + reach, rel=1e-12)


def test_an_interval_stays_within_0_and_1() -> None:
    low, high = logit_interval(Estimate(0.999, 0.01, None, math.inf)) or (0, 0)
    assert 0 < low < 0.999 < high < 1


@pytest.mark.parametrize("auc", [0.0, 1.0])
def test_a_perfect_auc_has_no_interval(auc: float) -> None:
    assert logit_interval(Estimate(auc, 0.0, 0.0, math.inf)) is None


def test_the_interval_of_one_seed_is_delongs(scores: Tensor, labels: Tensor) -> None:
    expected = Estimate(*auc_over_seeds(scores[:1], labels), None, math.inf)
    assert auc_interval(ScoredRows(scores[:1], labels)) == logit_interval(expected)


def test_the_interval_of_several_seeds_includes_their_variance(
    scores: Tensor, labels: Tensor
) -> None:
    of_seeds = [auc(each, labels) for each in scores]
    expected = logit_interval(estimate(*auc_over_seeds(scores, labels), [of_seeds]))
    assert auc_interval(ScoredRows(scores, labels)) == expected
    of_rows = logit_interval(Estimate(*auc_over_seeds(scores, labels), None, math.inf))
    assert expected
    assert of_rows
    assert expected.low < of_rows.low < of_rows.high < expected.high


def test_the_interval_of_a_deterministic_model_is_that_of_one_seed(
    scores: Tensor, labels: Tensor
) -> None:
    found = auc_interval(ScoredRows(scores[:1].expand(3, -1), labels))
    assert found == auc_interval(ScoredRows(scores[:1], labels))


def test_the_interval_of_a_task_of_classes_is_the_bootstraps(
    logits: Tensor, classes: Tensor
) -> None:
    of_seeds = [macro_auc(each, classes) for each in logits]
    expected = estimate(*mean_and_error(auc_replicates(logits, classes)), [of_seeds])
    assert auc_interval(ScoredRows(logits, classes)) == logit_interval(expected)


def test_the_interval_of_weighted_rows_is_the_weighted_bootstraps(
    scores: Tensor, labels: Tensor, weights: Tensor
) -> None:
    of_seeds = [auc(each, labels, weights) for each in scores]
    expected = estimate(*mean_and_error(auc_replicates(scores, labels, weights)), [of_seeds])
    assert auc_interval(ScoredRows(scores, labels, weights)) == logit_interval(expected)


@pytest.mark.parametrize("positives", [0, 1])
def test_too_few_positives_have_no_interval(scores: Tensor, positives: int) -> None:
    labels = torch.zeros(ROWS)
    labels[:positives] = 1
    if positives:
        assert auc_interval(ScoredRows(scores, labels)) is None
    else:
        with pytest.raises(DataError, match="at least two rows of each class"):
            auc_interval(ScoredRows(scores, labels))


def test_95_percent_of_intervals_contain_the_auc() -> None:
    """Of normal scores with a difference of means of 1: AUC = Phi(1 / sqrt(2))."""
    true = norm.cdf(1 / math.sqrt(2))
    labels = (torch.arange(120) < 40).float()
    inside = 0
    for trial in range(400):
        scores = torch.randn(1, 120, generator=generator(trial)) + labels
        low, high = auc_interval(ScoredRows(scores, labels)) or Interval(0, 0)
        inside += low <= true <= high
    assert inside / 400 == pytest.approx(0.95, abs=0.03)


def test_a_binary_task_is_compared_by_delongs_test(scores: Tensor, labels: Tensor) -> None:
    found = compare_aucs(ScoredRows(scores, labels), ScoredRows(scores[:1], labels))
    assert found == delong_over_seeds(scores, scores[:1], labels)


def test_classes_and_weighted_rows_are_compared_by_the_bootstrap(
    scores: Tensor, labels: Tensor, logits: Tensor, classes: Tensor, weights: Tensor
) -> None:
    for rows, other in (
        ((logits, classes, None), logits.flip(0)[:1]),
        ((logits, classes, weights), logits[:1]),
        ((scores, labels, weights), scores[1:]),
    ):
        found = compare_aucs(ScoredRows(*rows), ScoredRows(other, *rows[1:]))
        replicates = auc_replicates(*rows), auc_replicates(other, *rows[1:])
        assert found == compare_replicates(*replicates)
