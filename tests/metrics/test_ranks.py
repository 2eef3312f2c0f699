import math

import numpy as np
import pytest
from scipy import stats

from emm.core.errors import DataError
from emm.metrics.ranks import (
    against_control,
    cliques,
    critical_difference,
    friedman,
    mean_ranks,
    ranks,
)
from emm.metrics.significance import holm

# Accuracies of 4 classifiers on 14 data sets: Demsar (2006), tables 2 and 6.
DEMSAR = [
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.975),  # not a tie before it was rounded
    (0.957, 0.978, 0.946, 0.970),
]
BLOCKS = [ranks(row) for row in DEMSAR]


def random_blocks(seed: int, blocks: int, models: int, levels: int) -> list[list[float]]:
    draw = np.random.default_rng(seed)
    return [ranks(draw.integers(0, levels, models).tolist()) for _ in range(blocks)]


def test_ranks_of_equal_scores_are_their_mean() -> None:
    assert ranks([0.5, 0.9, 0.5, 0.1]) == [2.5, 1, 2.5, 4]


@pytest.mark.parametrize("levels", [3, 1000])
def test_ranks_are_those_of_scipy(levels: int) -> None:
    scores = np.random.default_rng(levels).integers(0, levels, 20)
    assert ranks(scores.tolist()) == stats.rankdata(-scores).tolist()


def test_mean_ranks_of_demsar() -> None:
    assert np.round(mean_ranks(BLOCKS), 3).tolist() == [3.143, 2.0, 2.893, 1.964]


def test_friedman_of_demsar_without_its_correction_for_ties() -> None:
    """Demsar's 9.28 doesn't correct for ties."""
    ties = sum(block.count(rank) ** 2 - 1 for block in BLOCKS for rank in block)
    correction = 1 - ties / (14 * 4 * 15)
    assert friedman(BLOCKS).chi2 * correction == pytest.approx(9.28, abs=0.005)


@pytest.mark.parametrize(("blocks", "models", "levels"), [(2, 3, 9), (6, 13, 100), (30, 5, 3)])
def test_friedman_is_that_of_scipy(blocks: int, models: int, levels: int) -> None:
    found = random_blocks(blocks, blocks, models, levels)
    expected = stats.friedmanchisquare(*np.array(found).T)
    test = friedman(found)
    assert (test.chi2, test.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-10)


def test_iman_and_davenport_is_the_analysis_of_variance_of_the_ranks() -> None:
    """Without ties, their F is that of a two-way analysis of variance of the ranks."""
    table = np.array([np.random.default_rng(i).permutation(5) + 1.0 for i in range(7)])
    between = 7 * ((table.mean(0) - 3) ** 2).sum() / 4
    within = ((table - table.mean(0)) ** 2).sum() / (4 * 6)
    test = friedman(table.tolist())
    assert test.f == pytest.approx(between / within)
    assert test.p_of_f == pytest.approx(stats.f.sf(between / within, 4, 24))


def test_blocks_in_the_same_order_have_an_infinite_f() -> None:
    test = friedman([[1.0, 2.0, 3.0]] * 4)
    assert (test.chi2, test.f, test.p_of_f) == (8.0, math.inf, 0.0)


def test_equal_models_have_no_difference() -> None:
    assert friedman([[2.0, 2.0, 2.0]] * 4).p == 1.0


@pytest.mark.parametrize(
    ("models", "q"), [(2, 1.960), (4, 2.569), (5, 2.728), (10, 3.164)], ids=str
)
def test_critical_differences_of_demsar(models: int, q: float) -> None:
    """Table 5 (a) has q for an error of .05."""
    expected = q * math.sqrt(models * (models + 1) / (6 * 14))
    assert critical_difference(14, models) == pytest.approx(expected, abs=0.001)


def test_p_values_against_a_control() -> None:
    means = mean_ranks(BLOCKS)
    error = math.sqrt(4 * 5 / (6 * 14))
    raw = [2 * stats.norm.sf(abs(mean - means[0]) / error) for mean in means[1:]]
    assert against_control(BLOCKS, 0) == pytest.approx([1.0, *holm(raw)])


def test_cliques_are_the_longest_spans() -> None:
    assert cliques([4.0, 1.0, 1.5, 2.4, 5.5], 1.0) == [(1.0, 1.5), (1.5, 2.4)]


def test_too_few_blocks_are_refused() -> None:
    with pytest.raises(DataError, match="1 tables"):
        friedman([[1.0, 2.0, 3.0]])
