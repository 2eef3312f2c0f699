"""What test rows and seeds leave uncertain about a training procedure's AUC.

A procedure is a method with its settings; every seed trains another model by it. A test of the rows
compares the trained models. That of the procedures also takes into account that other seeds would
have given other models.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import variance
from typing import NamedTuple

from emm.metrics.significance import compared


class Interval(NamedTuple):
    """A 95 percent confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """The mean AUC over seeds, or a difference of two, and its uncertainty.

    Args:
        value: the AUC or the difference; AUCs run from 0 to 1.
        rows_error: standard error due to the test rows, for these trained models.
        seeds_error: standard error due to the seeds; None if it isn't known, as there is one seed.
        degrees_of_freedom: of the t distribution of value / error; infinite for a normal one.
    """

    value: float
    rows_error: float
    seeds_error: float | None
    degrees_of_freedom: float

    @property
    def of_procedure(self) -> bool:
        """Whether it is about the procedure over seeds, or else about the trained models."""
        return self.seeds_error is not None

    @property
    def error(self) -> float:
        """The standard error."""
        return math.hypot(self.rows_error, self.seeds_error or 0.0)

    @property
    def p(self) -> float:
        """Two-sided p value of the hypothesis that the expected value is 0."""
        if self.error == 0 or math.isinf(self.degrees_of_freedom):
            return compared(self.value, self.error).p
        from scipy.special import stdtr  # imported here, as it takes a third of a second

        return float(2 * stdtr(self.degrees_of_freedom, -abs(self.value) / self.error))

    @property
    def p_of_rows(self) -> float:
        """The same for these trained models: without the uncertainty from the seeds."""
        return compared(self.value, self.rows_error).p

    @property
    def quantile(self) -> float:
        """The 97.5 percent quantile of value / error."""
        from scipy.special import ndtri, stdtrit

        if math.isinf(self.degrees_of_freedom):
            return float(ndtri(0.975))
        return float(stdtrit(self.degrees_of_freedom, 0.975))

    @property
    def interval(self) -> Interval:
        """The interval that is symmetric around the value."""
        reach = self.quantile * self.error
        return Interval(self.value - reach, self.value + reach)


def estimate(value: float, rows_error: float, parts: Sequence[Sequence[float]]) -> Estimate:
    """An estimate from its error due to rows and the parts that vary from seed to seed.

    The variance is rows_error^2 + sum of v_i, where v_i is the variance over the S_i seeds of part
    i, divided by S_i. Seeds are a sample, and therefore value / error has about a t distribution,
    with degrees of freedom by Satterthwaite (Biometrics Bulletin 1946):
    (rows_error^2 + sum of v_i)^2 / (sum of v_i^2 / (S_i - 1)). The error due to rows counts as
    known, as in DeLong's test: it is a mean over thousands of rows.

    Args:
        parts: for each part, its values by seed [S_i]: the AUCs of one of two models, or the
            differences of pairs of models. What is the same for all seeds is no part.
    """
    if any(len(part) < 2 for part in parts):
        return Estimate(value, rows_error, None, math.inf)
    variances = [variance(part) / len(part) for part in parts]
    of_seeds = sum(variances)
    pairs = zip(variances, parts, strict=True)
    uncertain = sum(each**2 / (len(part) - 1) for each, part in pairs)
    degrees = (rows_error**2 + of_seeds) ** 2 / uncertain if uncertain else math.inf
    return Estimate(value, rows_error, math.sqrt(of_seeds), degrees)
