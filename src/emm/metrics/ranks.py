"""Comparison of several models over many tables by their ranks: Friedman, Nemenyi, Holm.

Demsar (Journal of Machine Learning Research 2006). N is the number of blocks (tables with rows of
their own), k that of the models; rank 1 is the best.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from emm.core.errors import DataError
from emm.metrics.significance import compared, holm

FEWEST_BLOCKS = 2
FEWEST_MODELS = 3


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of the hypothesis that all models are equal, and Iman and Davenport's.

    Args:
        chi2: Friedman's statistic, corrected for ties; k - 1 degrees of freedom.
        f: Iman and Davenport's (1980), which is less conservative; k - 1 and (k - 1) (N - 1)
            degrees of freedom. Infinite if all blocks have the same order.
    """

    chi2: float
    p: float
    f: float
    p_of_f: float


def ranks(scores: Sequence[float]) -> list[float]:
    """Ranks of scores [k], 1 for the highest; equal scores have the mean of their ranks."""
    return [
        1 + sum(other > score for other in scores) + (scores.count(score) - 1) / 2
        for score in scores
    ]


def mean_ranks(blocks: Sequence[Sequence[float]]) -> list[float]:
    """Mean rank of each model over blocks of ranks [N, k]."""
    return [fmean(of_model) for of_model in zip(*blocks, strict=True)]


def friedman(blocks: Sequence[Sequence[float]]) -> Friedman:
    """Test blocks of ranks [N, k]; DataError for fewer than 2 blocks or 3 models.

    chi2 = 12 N / (k (k + 1)) (sum of R_j^2 - k (k + 1)^2 / 4), divided by
    1 - sum of (t^3 - t) / (N k (k^2 - 1)) over the groups of t tied ranks.
    """
    from scipy.stats import chi2 as chi2_distribution
    from scipy.stats import f as f_distribution

    count, models = _shape(blocks)
    spread = sum(rank**2 for rank in mean_ranks(blocks)) - models * (models + 1) ** 2 / 4
    ties = sum(block.count(r) ** 2 - 1 for block in map(list, blocks) for r in block)
    correction = 1 - ties / (count * models * (models**2 - 1))
    if correction == 0:  # every block has one rank for all
        return Friedman(0.0, 1.0, 0.0, 1.0)
    chi2 = 12 * count / (models * (models + 1)) * spread / correction
    rest = count * (models - 1) - chi2
    f = (count - 1) * chi2 / rest if rest > 1e-9 else math.inf
    degrees = models - 1, (models - 1) * (count - 1)
    return Friedman(
        chi2,
        float(chi2_distribution.sf(chi2, models - 1)),
        f,
        0.0 if math.isinf(f) else float(f_distribution.sf(f, *degrees)),
    )


def critical_difference(blocks: int, models: int, alpha: float = 0.05) -> float:
    """Nemenyi's: mean ranks that are further apart differ, with error ``alpha`` over all pairs.

    q sqrt(k (k + 1) / (6 N)), q the quantile of the studentised range over sqrt(2).
    """
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - alpha, models, math.inf)) / math.sqrt(2)
    return q * _rank_error(blocks, models)


def against_control(blocks: Sequence[Sequence[float]], control: int) -> list[float]:
    """P values of each model's mean rank against that of ``control``, after Holm's correction.

    z = (R_j - R_control) / sqrt(k (k + 1) / (6 N)); 1 for the control itself.
    Raises DataError like `friedman`.
    """
    count, models = _shape(blocks)
    means = mean_ranks(blocks)
    others = [model for model in range(models) if model != control]
    error = _rank_error(count, models)
    adjusted = holm([compared(means[each] - means[control], error).p for each in others])
    found = dict(zip(others, adjusted, strict=True))
    return [found.get(model, 1.0) for model in range(models)]


def cliques(means: Sequence[float], difference: float) -> list[tuple[float, float]]:
    """The longest spans of mean ranks that are within ``difference``, with two models or more."""
    ordered = sorted(means)
    spans = [(low, max(high for high in ordered if high - low <= difference)) for low in ordered]
    kept = list[tuple[float, float]]()
    for low, high in spans:
        several = sum(low <= mean <= high for mean in ordered) > 1
        if several and not any(a <= low and high <= b for a, b in kept):
            kept.append((low, high))
    return kept


def _rank_error(blocks: int, models: int) -> float:
    return math.sqrt(models * (models + 1) / (6 * blocks))


def _shape(blocks: Sequence[Sequence[float]]) -> tuple[int, int]:
    count, models = len(blocks), len(blocks[0]) if blocks else 0
    if count < FEWEST_BLOCKS or models < FEWEST_MODELS:
        raise DataError(
            "too little to compare by ranks",
            got=f"{count} tables and {models} models",
            expected=f"at least {FEWEST_BLOCKS} tables and {FEWEST_MODELS} models",
        )
    return count, models
