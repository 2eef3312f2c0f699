"""What every metric asks of its input."""

from torch import Tensor

from emm.core.errors import DataError


def check_pair(scores: Tensor, labels: Tensor) -> None:
    """Raise DataError unless scores and labels are [N] with N > 0, labels 0 or 1, no score NaN."""
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise DataError(
            "scores and labels don't belong together",
            got=f"scores {list(scores.shape)}, labels {list(labels.shape)}",
            expected="two vectors of the same length [N]",
        )
    if scores.numel() == 0:
        raise DataError("a metric needs at least one row", got="scores [0], labels [0]")
    if not bool(((labels == 0) | (labels == 1)).all()):
        raise DataError("a label is neither 0 nor 1", expected="labels of 0 and 1")
    missing = int(scores.isnan().sum())
    if missing:
        raise DataError(
            "a score is not a number",
            got=f"NaN in {missing} of {scores.numel()} rows",
            next_step="look for a training loss that became NaN",
        )
