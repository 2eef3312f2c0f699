"""Summaries of one task's test scores over seeds, by the kind of the task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import ClassVar

from emm.report.results import AnyScores, ClassScores, RegressionScores, Scores

DECIMALS = 8


@dataclass(frozen=True)
class TaskSummary:
    """A binary task's test scores, as means over seeds.

    Args:
        auc_std: standard deviation over seeds.
        auc_gain: Gain over the trained single-task models.
        gauc: None if the dataset has no `gauc_key`; then the file has no such key either.
    """

    measure: ClassVar[str] = "AUC"
    key: ClassVar[str] = "auc"
    auc: float
    auc_std: float | None
    auc_gain: float | None
    logloss: float
    ece: float
    gauc: float | None = None

    @property
    def score(self) -> tuple[float, float | None, float | None]:
        """Mean, standard deviation over seeds, and Gain."""
        return self.auc, self.auc_std, self.auc_gain

    @property
    def errors(self) -> Mapping[str, float]:
        """The other scores by their displayed name; lower is better."""
        return {"log loss": self.logloss, "ECE": self.ece}

    @property
    def others(self) -> Mapping[str, float]:
        """Further scores by their displayed name; higher is better."""
        return {}


@dataclass(frozen=True)
class ClassSummary:
    """A task of classes' test scores, as means over seeds; for the arguments see `TaskSummary`.

    Args:
        auc: the mean one-vs-rest AUC of the classes.
        auc_weighted: the same, weighted by the rows of the classes.
        ece: calibration error of the confidence in the predicted class.
    """

    measure: ClassVar[str] = "AUC"
    key: ClassVar[str] = "auc"
    auc: float
    auc_std: float | None
    auc_gain: float | None
    auc_weighted: float
    logloss: float
    accuracy: float
    ece: float

    @property
    def score(self) -> tuple[float, float | None, float | None]:
        """Mean, standard deviation over seeds, and Gain."""
        return self.auc, self.auc_std, self.auc_gain

    @property
    def errors(self) -> Mapping[str, float]:
        """The other scores by their displayed name; lower is better."""
        return {"log loss": self.logloss, "ECE": self.ece}

    @property
    def others(self) -> Mapping[str, float]:
        """Further scores by their displayed name; higher is better."""
        return {"weighted AUC": self.auc_weighted, "accuracy": self.accuracy}


@dataclass(frozen=True)
class RegressionSummary:
    """A regression task's test scores, as means over seeds; RMSE and MAE in the label's units."""

    measure: ClassVar[str] = "R²"
    key: ClassVar[str] = "r2"
    r2: float
    r2_std: float | None
    r2_gain: float | None
    rmse: float
    mae: float

    @property
    def score(self) -> tuple[float, float | None, float | None]:
        """Mean, standard deviation over seeds, and Gain."""
        return self.r2, self.r2_std, self.r2_gain

    @property
    def errors(self) -> Mapping[str, float]:
        """The other scores by their displayed name; lower is better."""
        return {"RMSE": self.rmse, "MAE": self.mae}

    @property
    def others(self) -> Mapping[str, float]:
        """Further scores by their displayed name; higher is better."""
        return {}


AnySummary = TaskSummary | ClassSummary | RegressionSummary


def summarise_task(scores: AnyScores, baseline: float | None) -> AnySummary:
    """Summarise one task; Gain is over ``baseline``, if there is one."""
    if isinstance(scores, RegressionScores):
        errors = rounded(fmean(scores.rmse)), rounded(fmean(scores.mae))
        return RegressionSummary(*_score(scores.r2, baseline), *errors)
    if isinstance(scores, ClassScores):
        others = (scores.auc_weighted, scores.logloss, scores.accuracy, scores.ece)
        return ClassSummary(*_score(scores.auc, baseline), *(rounded(fmean(x)) for x in others))
    return summarise_binary(scores, baseline)


def summarise_binary(scores: Scores, baseline: float | None) -> TaskSummary:
    """Summarise a binary task, or a step of the funnel."""
    errors = rounded(fmean(scores.logloss)), rounded(fmean(scores.ece))
    gauc = None if scores.gauc is None else rounded(fmean(scores.gauc))
    return TaskSummary(*_score(scores.auc, baseline), *errors, gauc)


def per_seed(scores: AnyScores) -> tuple[float, ...]:
    """The score that models are compared by, one value per seed."""
    return scores.r2 if isinstance(scores, RegressionScores) else scores.auc


def rounded(value: float) -> float:
    """Round to the decimals of a metrics file."""
    # Sums with another number of threads differ in the last bits. Adding 0 turns -0.0 into 0.0.
    return round(value, DECIMALS) + 0.0


def _score(
    seeds: Sequence[float], baseline: float | None
) -> tuple[float, float | None, float | None]:
    """Mean, standard deviation and Gain over ``baseline``."""
    mean = fmean(seeds)
    std = rounded(stdev(seeds)) if len(seeds) > 1 else None
    return rounded(mean), std, None if baseline is None else rounded(mean - baseline)
