"""Comparisons of training procedures: formulas, and simulations of errors and power.

Simulated AUCs are those of S seeds on one test split: the procedure's AUC, an effect of the rows
that all seeds share, and an effect of each seed.
"""

import math
from functools import cache
from statistics import variance

import numpy as np
import pytest
import torch
from scipy.stats import chi2, norm, t, ttest_1samp, ttest_ind
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.bootstrap import auc_replicates, compare_replicates
from emm.metrics.classes import macro_auc
from emm.metrics.procedures import Estimate, estimate
from emm.metrics.ranking import auc
from emm.metrics.significance import delong, delong_over_seeds
from emm.metrics.uncertainty import ScoredRows, compare_procedures

LEVEL = 0.05
TRIALS = 2000
SEEDS = (3, 5, 10)


def binomial_error(rate: float, trials: int = TRIALS) -> float:
    """Three standard errors of a share of ``trials``."""
    return 3 * math.sqrt(rate * (1 - rate) / trials)


@cache
def simulate(seeds: int, ratio: float, *, paired: bool, effect: float = 0.0) -> list[Estimate]:
    """Comparisons of two procedures whose expected AUCs differ by ``effect``.

    The rows' standard error is 1, and the seeds' variance of the difference of means is ``ratio``.
    """
    draw = np.random.default_rng(seeds + round(100 * ratio))
    found = []
    for _ in range(TRIALS):
        rows = draw.normal()
        if paired:
            parts = [effect + rows + draw.normal(0, math.sqrt(ratio * seeds), seeds)]
        else:
            of_seed = draw.normal(0, math.sqrt(ratio * seeds / 2), (2, seeds))
            parts = [effect + rows + of_seed[0], of_seed[1]]
        value = parts[0].mean() - sum(each.mean() for each in parts[1:])
        found.append(estimate(float(value), 1.0, [each.tolist() for each in parts]))
    return found


def rejected(found: list[Estimate]) -> float:
    return sum(each.p < LEVEL for each in found) / len(found)


def theory(seeds: int, ratio: float, effect: float = 0.0) -> float:
    """Probability that the paired test rejects: the integral over the estimated variance."""
    shares = (np.arange(20_000) + 0.5) / 20_000
    estimated = ratio * chi2.ppf(shares, seeds - 1) / (seeds - 1)
    degrees = (1 + estimated) ** 2 / (estimated**2 / (seeds - 1))
    reach = t.ppf(1 - LEVEL / 2, degrees) * np.sqrt(1 + estimated)
    spread = math.sqrt(1 + ratio)
    outside = norm.sf((reach - effect) / spread) + norm.cdf((-reach - effect) / spread)
    return float(outside.mean())


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("ratio", [0.2, 1.66, 10.9])
def test_two_equal_procedures_are_called_different_at_the_level(seeds: int, ratio: float) -> None:
    found = simulate(seeds, ratio, paired=False)
    assert rejected(found) == pytest.approx(LEVEL, abs=binomial_error(LEVEL))


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize(("ratio", "rate"), [(1.66, 0.23), (10.9, 0.57)])
def test_a_test_of_the_rows_calls_them_different_far_more_often(
    seeds: int, ratio: float, rate: float
) -> None:
    found = simulate(seeds, ratio, paired=False)
    of_rows = sum(each.p_of_rows < LEVEL for each in found) / len(found)
    assert of_rows == pytest.approx(rate, abs=binomial_error(rate) + 0.005)


@pytest.mark.parametrize(("seeds", "worst"), [(3, 0.079), (5, 0.06), (10, 0.053)])
def test_pairs_of_seeds_keep_the_level_better_the_more_there_are(seeds: int, worst: float) -> None:
    rates = [theory(seeds, ratio) for ratio in (0.1, 0.5, 1, 2, 5, 8, 11, 20, 100)]
    assert max(rates) < worst
    assert min(rates) > 0.045
    assert rejected(simulate(seeds, 2, paired=True)) == pytest.approx(
        theory(seeds, 2), abs=binomial_error(theory(seeds, 2))
    )


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("effect", [2.0, 4.0])
def test_the_power_is_that_of_theory(seeds: int, effect: float) -> None:
    expected = theory(seeds, 0.5, effect)
    found = rejected(simulate(seeds, 0.5, paired=True, effect=effect))
    assert found == pytest.approx(expected, abs=binomial_error(expected))
    assert found > 0.25


@pytest.mark.parametrize("seeds", SEEDS)
def test_95_percent_of_intervals_contain_the_difference(seeds: int) -> None:
    inside = [
        low <= 0.3 <= high
        for low, high in (e.interval for e in simulate(seeds, 1, paired=False, effect=0.3))
    ]
    assert sum(inside) / TRIALS == pytest.approx(0.95, abs=binomial_error(0.95))


def equal_procedures(trial: int, seeds: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores [S, N] of one procedure twice: seeds differ in strength, and a little in each row."""
    draw = torch.Generator().manual_seed(trial)
    labels = (torch.arange(rows) % 4 == 0).to(torch.uint8)
    of_row = torch.randn(rows, generator=draw)
    strength = 1 + 0.15 * torch.randn(2, seeds, 1, generator=draw)
    of_seed = 0.3 * torch.randn(2, seeds, rows, generator=draw)
    return *(strength * labels + of_row + of_seed), labels


@pytest.mark.parametrize("seeds", [3, 5])
def test_scores_of_equal_procedures_are_called_different_at_the_level(
    seeds: int,
) -> None:
    trials, new, old = 300, 0, 0
    for trial in range(trials):
        first, second, labels = equal_procedures(trial, seeds, 240)
        pair = ScoredRows(first, labels), ScoredRows(second, labels)
        new += compare_procedures(*pair, paired=False).p < LEVEL
        old += delong_over_seeds(first, second, labels).p < LEVEL
    assert new / trials == pytest.approx(LEVEL, abs=binomial_error(LEVEL, trials))
    assert 0.3 < old / trials < 0.6


def test_without_an_error_of_the_rows_pairs_are_students_test() -> None:
    of_seeds = [0.1, 0.4, -0.2, 0.3]
    found = estimate(0.15, 0.0, [of_seeds])
    expected = ttest_1samp(of_seeds, 0)
    low, high = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert found.degrees_of_freedom == pytest.approx(3, rel=1e-12)
    assert found.interval == pytest.approx((low, high), rel=1e-12)


def test_without_an_error_of_the_rows_two_parts_are_welchs_test() -> None:
    first, second = [0.9, 0.8, 0.95], [0.7, 0.72, 0.71, 0.75, 0.6]
    value = sum(first) / 3 - sum(second) / 5
    found = estimate(value, 0.0, [first, second])
    expected = ttest_ind(first, second, equal_var=False)
    assert found.degrees_of_freedom == pytest.approx(expected.df, rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)


def test_the_variances_of_rows_and_seeds_are_added() -> None:
    first, second = [0.9, 0.8, 0.95], [0.7, 0.72, 0.71, 0.75, 0.6]
    found = estimate(0.2, 0.03, [first, second])
    of_seeds = [variance(first) / 3, variance(second) / 5]
    assert found.seeds_error == pytest.approx(math.sqrt(sum(of_seeds)), rel=1e-12)
    assert found.error == pytest.approx(math.sqrt(0.03**2 + sum(of_seeds)), rel=1e-12)
    expected = found.error**4 / (of_seeds[0] ** 2 / 2 + of_seeds[1] ** 2 / 4)
    assert found.degrees_of_freedom == pytest.approx(expected, rel=1e-12)
    assert found.p == pytest.approx(2 * t.sf(0.2 / found.error, expected), rel=1e-12)


def test_a_single_seed_says_nothing_about_the_procedure() -> None:
    found = estimate(0.2, 0.1, [[0.9, 0.8], [0.7]])
    assert found == Estimate(0.2, 0.1, None, math.inf)
    assert not found.of_procedure
    assert found.p == found.p_of_rows == pytest.approx(2 * norm.sf(2), rel=1e-12)


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (1e-9, 0.0)])
def test_without_any_variance_only_equal_aucs_are_equal(value: float, p: float) -> None:
    found = estimate(value, 0.0, [])
    assert (found.p, found.p_of_rows) == (p, p)
    assert found.interval == (value, value)


@pytest.fixture
def labels() -> Tensor:
    return (torch.arange(300) % 3 == 0).to(torch.uint8)


def scores(labels: Tensor, seeds: int, seed: int) -> Tensor:
    """[S, N]."""
    draw = torch.Generator().manual_seed(seed)
    return labels + torch.randn(seeds, len(labels), generator=draw)


def test_pairs_have_the_variance_of_their_differences(labels: Tensor) -> None:
    first, second = scores(labels, 4, 0), scores(labels, 4, 1)
    pairs = zip(first, second, strict=True)
    differences = [auc(a, labels) - auc(b, labels) for a, b in pairs]
    expected = delong_over_seeds(first, second, labels)
    found = compare_procedures(ScoredRows(first, labels), ScoredRows(second, labels), paired=True)
    assert found == estimate(expected.difference, expected.standard_error, [differences])


def test_independent_seeds_have_a_variance_each(labels: Tensor) -> None:
    first, second = scores(labels, 4, 0), scores(labels, 3, 1)
    parts = [[auc(each, labels) for each in of_model] for of_model in (first, second)]
    expected = delong_over_seeds(first, second, labels)
    found = compare_procedures(ScoredRows(first, labels), ScoredRows(second, labels), paired=False)
    assert found == estimate(expected.difference, expected.standard_error, parts)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_model_that_is_equal_for_all_seeds_counts_as_one_without_variance(
    labels: Tensor, paired: bool, first: bool
) -> None:
    trees = scores(labels, 1, 2)
    pair = [scores(labels, 3, 0), trees.expand(3, -1)][:: 1 if first else -1]
    once = [scores(labels, 3, 0), trees][:: 1 if first else -1]
    found = compare_procedures(*(ScoredRows(each, labels) for each in pair), paired=paired)
    expected = delong_over_seeds(once[0], once[1], labels)
    varying = [auc(each, labels) for each in scores(labels, 3, 0)]
    assert found == estimate(expected.difference, expected.standard_error, [varying])
    assert found.of_procedure


def test_two_models_without_chance_are_compared_by_delongs_test(labels: Tensor) -> None:
    first, second = scores(labels, 1, 0), scores(labels, 1, 1)
    rows = [ScoredRows(each.expand(5, -1), labels) for each in (first, second)]
    found = compare_procedures(*rows, paired=False)
    expected = delong(first[0], second[0], labels)
    assert found == Estimate(expected.difference, expected.standard_error, 0.0, math.inf)
    assert found.p == expected.p


def test_one_seed_is_not_known_to_be_without_chance(labels: Tensor) -> None:
    rows = ScoredRows(scores(labels, 1, 0), labels)
    assert not rows.deterministic
    other = ScoredRows(scores(labels, 3, 1), labels)
    assert not compare_procedures(rows, other, paired=False).of_procedure


def test_pairs_need_equally_many_seeds(labels: Tensor) -> None:
    rows = [ScoredRows(scores(labels, seeds, 0), labels) for seeds in (3, 2)]
    with pytest.raises(DataError, match="pairs of seeds"):
        compare_procedures(*rows, paired=True)


@pytest.mark.parametrize("weighted", [True, False])
def test_classes_and_weighted_rows_have_the_bootstraps_error_of_rows(weighted: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    classes = torch.arange(90) % 3
    weights = torch.rand(90, generator=draw) + 0.1 if weighted else None
    first, second = (torch.randn(3, 90, 3, generator=draw) for _ in range(2))
    expected = compare_replicates(
        *(auc_replicates(each, classes, weights) for each in (first, second))
    )
    parts = [
        [macro_auc(each, classes, weights) for each in of_model] for of_model in (first, second)
    ]
    rows = [ScoredRows(each, classes, weights) for each in (first, second)]
    found = compare_procedures(*rows, paired=False)
    assert found == estimate(expected.difference, expected.standard_error, parts)
