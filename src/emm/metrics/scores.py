"""The one score that epochs and models are compared by, for each kind of task."""

from collections.abc import Sequence

from torch import Tensor

from emm.metrics.ranking import auc
from emm.metrics.regression import r_squared


def score(kind: str, prediction: Tensor, label: Tensor) -> float:
    """What epochs and models are compared by, higher is better; prediction, label [N].

    The AUC of a "binary" task, R squared of a "regression" task. Raises DataError as they do.
    """
    return r_squared(prediction, label) if kind == "regression" else auc(prediction, label)


def scores(predictions: Tensor, labels: Tensor, kinds: Sequence[str] = ()) -> tuple[float, ...]:
    """`score` of each column of predictions [N, T] with the same column of labels [N, T].

    ``kinds``: of the tasks in order, () for binary ones alone.
    """
    each = kinds or ("binary",) * predictions.shape[1]
    columns = zip(each, predictions.unbind(1), labels.unbind(1), strict=True)
    return tuple(score(*column) for column in columns)
