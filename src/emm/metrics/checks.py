"""Checks of the input that several metrics share."""

from torch import Tensor

from emm.core.errors import DataError


def check_pair(scores: Tensor, labels: Tensor) -> None:
    """Raise DataError unless scores and labels are [N], N > 0, without NaN, and labels 0 or 1."""
    _check_shapes(scores, labels)
    if not bool(((labels == 0) | (labels == 1)).all()):
        raise DataError("a label is neither 0 nor 1", expected="labels of 0 and 1")
    missing = scores.isnan()
    if bool(missing.any()):
        raise DataError(
            "a score is not a number",
            got=f"NaN in {int(missing.sum())} of {scores.numel()} rows",
            next_step="check whether the training loss became NaN",
        )


def check_values(predictions: Tensor, labels: Tensor) -> None:
    """Raise DataError unless predictions and labels are [N], N > 0, and finite."""
    _check_shapes(predictions, labels)
    for what, values in (("prediction", predictions), ("label", labels)):
        wrong = int((~values.isfinite()).sum())
        if wrong:
            raise DataError(
                f"a {what} is not a finite number",
                got=f"NaN or infinity in {wrong} of {values.numel()} rows",
                next_step="check whether the training loss became NaN",
            )


def _check_shapes(scores: Tensor, labels: Tensor) -> None:
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise DataError(
            "scores and labels don't match",
            got=f"scores {list(scores.shape)}, labels {list(labels.shape)}",
            expected="two vectors of the same length [N]",
        )
    if scores.numel() == 0:
        raise DataError("a metric needs at least one row", got="scores [0], labels [0]")
