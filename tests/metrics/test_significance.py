"""DeLong's test against a double loop, a bootstrap and a simulation; Holm against its procedure."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.ranking import auc
from emm.metrics.significance import Comparison, delong, delong_over_seeds, holm

steady = settings(deadline=None, max_examples=60)  # no deadline: the machine may be busy


def drawn(rows: int, seeds: int = 1, separation: float = 1.0, seed: int = 0) -> Tensor:
    """Scores [S, N] of models that share part of their noise, for the labels of ``labels_of``."""
    shared = torch.randn(rows, generator=torch.Generator().manual_seed(1))
    individual = torch.randn(seeds, rows, generator=torch.Generator().manual_seed(100 + seed))
    return separation * labels_of(rows) + shared + individual


def labels_of(rows: int) -> Tensor:
    return (torch.rand(rows, generator=torch.Generator().manual_seed(2)) < 0.3).to(torch.uint8)


@st.composite
def tied_scores(draw: st.DrawFn, seeds: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Two matrices of scores [S, N] with many or few ties, and labels with two of each class."""
    rows = draw(st.integers(4, 14))
    levels = draw(st.sampled_from([2, 5, 1000]))
    column = st.lists(st.integers(1, levels), min_size=rows, max_size=rows)
    matrix = st.lists(column, min_size=1, max_size=seeds)
    labels = draw(st.lists(st.integers(0, 1), min_size=rows - 4, max_size=rows - 4))
    scores = torch.tensor(draw(matrix)), torch.tensor(draw(matrix))
    return *scores, torch.tensor([0, 0, 1, 1, *labels])


def won(positive: float, negative: float) -> float:
    return 1.0 if positive > negative else 0.5 if positive == negative else 0.0


def delong_by_hand(first: Tensor, second: Tensor, labels: Tensor) -> tuple[float, float]:
    """Contrast of the AUCs of all seeds and its standard error, by DeLong et al. 1988."""
    v10, v01 = [], []
    for scores in [*first, *second]:
        positives, negatives = scores[labels == 1].tolist(), scores[labels == 0].tolist()
        v10.append([sum(won(x, y) for y in negatives) / len(negatives) for x in positives])
        v01.append([sum(won(x, y) for x in positives) / len(positives) for y in negatives])
    weights = np.array([1 / len(first)] * len(first) + [-1 / len(second)] * len(second))
    covariances = np.cov(v10) / len(v10[0]) + np.cov(v01) / len(v01[0])
    variance = max(weights @ covariances @ weights, 0.0)  # rounding may make it negative
    return weights @ np.mean(v10, axis=1), math.sqrt(variance)


def check_by_hand(found: Comparison, first: Tensor, second: Tensor, labels: Tensor) -> None:
    difference, standard_error = delong_by_hand(first, second, labels)
    assert found.difference == pytest.approx(difference, abs=1e-12)
    # The root of a rounded variance of 0 is about 1e-8.
    assert found.standard_error == pytest.approx(standard_error, rel=1e-9, abs=1e-7)


def bootstrap_error(models: tuple[Tensor, Tensor], labels: Tensor, resamples: int) -> float:
    generator = torch.Generator().manual_seed(3)
    means = torch.zeros(resamples, 2, dtype=torch.float64)
    for resample in means:
        rows = torch.randint(len(labels), (len(labels),), generator=generator)
        for i, seeds in enumerate(models):
            resample[i] = sum(auc(scores[rows], labels[rows]) for scores in seeds) / len(seeds)
    return (means[:, 0] - means[:, 1]).std().item()


@steady
@given(tied_scores())
def test_delong_equals_a_loop_over_pairs(case: tuple[Tensor, Tensor, Tensor]) -> None:
    first, second, labels = case
    check_by_hand(delong(first[0], second[0], labels), first[:1], second[:1], labels)


@steady
@given(tied_scores(seeds=3))
def test_delong_over_seeds_equals_the_contrast_of_all_aucs(
    case: tuple[Tensor, Tensor, Tensor],
) -> None:
    check_by_hand(delong_over_seeds(*case), *case)


def test_delong_of_a_case_worked_out_by_hand() -> None:
    """first has V10 = (1/2, 1) and V01 = (1, 1/2); second ranks perfectly, with all components 1.

    The differences (-1/2, 0) and (0, -1/2) have variance 1/8 each: 1/8 / 2 + 1/8 / 2 = 1/8.
    """
    labels = torch.tensor([1, 1, 0, 0])
    found = delong(torch.tensor([2, 4, 1, 3]), torch.tensor([3, 4, 1, 2]), labels)
    assert found.difference == -0.25
    assert found.standard_error == pytest.approx(math.sqrt(1 / 8), rel=1e-15)


@pytest.mark.parametrize("separation", [1.0, 4.0])  # p of 0.04 and of 5e-51
def test_z_and_p_are_those_of_the_normal_distribution(separation: float) -> None:
    found = delong(drawn(600, separation=separation)[0], drawn(600, seed=1)[0], labels_of(600))
    assert found.z == pytest.approx(found.difference / found.standard_error, rel=1e-15)
    assert found.p == pytest.approx(math.erfc(abs(found.z) / math.sqrt(2)), rel=1e-9, abs=0)


@steady
@given(tied_scores())
def test_the_difference_is_that_of_the_aucs(case: tuple[Tensor, Tensor, Tensor]) -> None:
    first, second, labels = case[0][0], case[1][0], case[2]
    expected = auc(first, labels) - auc(second, labels)
    assert delong(first, second, labels).difference == pytest.approx(expected, abs=1e-15)


@steady
@given(tied_scores(seeds=3))
def test_swapping_the_models_changes_the_sign_only(case: tuple[Tensor, Tensor, Tensor]) -> None:
    first, second, labels = case
    found = delong_over_seeds(first, second, labels)
    swapped = Comparison(-found.difference, found.standard_error, -found.z, found.p)
    assert delong_over_seeds(second, first, labels) == swapped


@pytest.mark.parametrize("rows", [4, 10_001])
def test_equal_scores_do_not_differ(rows: int) -> None:
    scores = torch.arange(rows) % 7
    assert delong(scores, 3 * scores, torch.arange(rows) % 2) == Comparison(0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_and_a_reversed_ranking_have_no_variance(sign: int) -> None:
    labels = torch.tensor([0, 1] * 500)
    expected = Comparison(sign, 0.0, sign * math.inf, 0.0)
    assert delong(sign * labels, -sign * labels, labels) == expected


@pytest.mark.parametrize("seeds", [(1, 1), (3, 2)])
def test_standard_error_matches_a_paired_bootstrap(seeds: tuple[int, int]) -> None:
    labels = labels_of(1000)
    pair = drawn(1000, seeds[0], seed=1), drawn(1000, seeds[1], separation=1.3, seed=2)
    expected = bootstrap_error(pair, labels, resamples=500)  # known to 3 percent itself
    assert delong_over_seeds(*pair, labels).standard_error == pytest.approx(expected, rel=0.08)


def test_models_of_equal_auc_are_rejected_in_one_of_twenty_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 0, 0, 1] * 75)
    draws = labels + torch.randn(600, 1, len(labels), generator=generator)
    scores = draws + torch.randn(600, 2, len(labels), generator=generator)
    rejected = sum(delong(*pair, labels).p < 0.05 for pair in scores)
    assert 15 <= rejected <= 45  # 30 expected, standard deviation 5.3


def test_one_seed_each_equals_delong() -> None:
    first, second, labels = drawn(300, seed=1), drawn(300, seed=2), labels_of(300)
    assert delong_over_seeds(first, second, labels) == delong(first[0], second[0], labels)


def test_repeated_seeds_add_no_evidence() -> None:
    first, second, labels = drawn(300, seed=1), drawn(300, seed=2), labels_of(300)
    repeated = delong_over_seeds(first.repeat(4, 1), second.repeat(2, 1), labels)
    once = delong(first[0], second[0], labels)
    assert repeated.difference == once.difference
    assert repeated.standard_error == pytest.approx(once.standard_error, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_delong_accepts_any_real_dtype(dtype: torch.dtype) -> None:
    first, second, labels = drawn(100, seed=1)[0].round(), drawn(100)[0].round(), labels_of(100)
    assert delong(first.to(dtype), second, labels.float()) == delong(first, second, labels)


def test_infinite_scores_and_signed_zeros_are_ranked() -> None:
    labels = torch.tensor([0, 1, 0, 1])
    found = delong(torch.tensor([-torch.inf, 0.0, -0.0, torch.inf]), torch.zeros(4), labels)
    assert found.difference == 0.875 - 0.5


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (torch.zeros(3), torch.ones(3), "two rows of each class"),
        (torch.zeros(3), torch.tensor([0, 0, 1]), "1 positives and 2 negatives"),
        (torch.zeros(3), torch.zeros(4), "don't match"),
        (torch.tensor([0.0, torch.nan]), torch.tensor([0, 1]), "not a number"),
        (torch.zeros(2), torch.tensor([0, 2]), "neither 0 nor 1"),
    ],
)
@pytest.mark.parametrize("wrong_is_first", [True, False])
def test_unusable_input_is_an_error(
    scores: Tensor, labels: Tensor, message: str, wrong_is_first: bool
) -> None:
    pair = [scores, torch.zeros(len(labels))][:: 1 if wrong_is_first else -1]
    with pytest.raises(DataError, match=message):
        delong(*pair, labels)
    with pytest.raises(DataError, match=message):
        delong_over_seeds(*(torch.stack([of_seed]) for of_seed in pair), labels)


@pytest.mark.parametrize("shape", [(0, 4), (4,), (1, 4, 1)])
def test_delong_over_seeds_needs_a_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="rows of a matrix"):
        delong_over_seeds(torch.zeros(1, 4), torch.zeros(shape), torch.tensor([0, 1, 0, 1]))


def test_delong_refuses_a_matrix() -> None:
    with pytest.raises(DataError, match="don't match"):
        delong(torch.zeros(1, 4), torch.zeros(4), torch.tensor([0, 1, 0, 1]))


def rejected_by_holm(p_values: list[float], alpha: float) -> set[int]:
    """Holm's procedure: reject from the smallest p value on, until one is too large."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rejected, at in enumerate(order):
        if (len(order) - rejected) * p_values[at] > alpha:
            return set(order[:rejected])
    return set(order)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.7, 0.6], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm_of_worked_examples(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted, abs=1e-15)


@steady
@given(st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02]), max_size=12), st.floats(0, 0.999))
def test_holm_rejects_what_the_procedure_rejects(p_values: list[float], alpha: float) -> None:
    rejected = {i for i, adjusted in enumerate(holm(p_values)) if adjusted <= alpha}
    assert rejected == rejected_by_holm(p_values, alpha)


@steady
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_is_between_p_and_bonferroni(p_values: list[float]) -> None:
    pairs = sorted(zip(p_values, holm(p_values), strict=True))
    assert [adjusted for _, adjusted in pairs] == sorted(adjusted for _, adjusted in pairs)
    assert all(p <= adjusted <= min(1.0, len(pairs) * p) for p, adjusted in pairs)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan])
def test_holm_refuses_values_outside_of_0_to_1(wrong: float) -> None:
    with pytest.raises(DataError, match="not a probability"):
        holm([0.5, wrong])
