"""Generated tables whose truth is known: the probability of every label, given the features.

A model's AUC on them can be compared with that of the true probabilities, the best that is
possible. The columns ``bayes_<task>`` hold these probabilities and are no features. Numbers are
rounded before the probabilities are computed from them, so that the file holds all that a label
depends on; so are the probabilities, so that processors that compute the last digit otherwise write
the same file.
"""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]
TRUTH = "bayes_"
"""Before a task's name: the column of its true probabilities."""

_DIGITS, _TRUTH_DIGITS = 4, 9


def shared(rows: int = 24_000) -> pl.DataFrame:
    """Three tasks, one of them rare, that depend on the same three hidden functions.

    The functions have interactions, thresholds and effects of ids; each task weighs them otherwise.
    """
    draw = np.random.default_rng(21)
    numbers = draw.normal(0, 1, (rows, 6)).round(_DIGITS)  # [N, 6]
    skewed = np.exp(draw.normal(0, 0.8, rows)).round(_DIGITS)
    ids = {name: draw.integers(0, count, rows) for name, count in _IDS.items()}
    region, product, channel, plan = (
        draw.normal(0, 1, count)[ids[name]] for name, count in _IDS.items()
    )
    first = np.sin(1.7 * numbers[:, 0]) + 0.7 * numbers[:, 1] * numbers[:, 2]
    second = 0.6 * product + 0.5 * region * (numbers[:, 3] > 0) + 0.4 * plan
    third = np.abs(numbers[:, 4]) - 0.3 * numbers[:, 5] ** 2 + 0.5 * np.log(skewed) * channel
    logits = {
        "buys": 1.2 * first + 0.9 * second - 0.8,
        "returns": 0.9 * first + 1.1 * third - 1.6,
        "complains": 0.3 * first + 0.8 * second + 0.8 * third - 4.0,
    }
    columns = {f"number_{at}": numbers[:, at] for at in range(6)}
    return _table(draw, {**columns, "amount": skewed, **_named(ids)}, logits)


def apart(rows: int = 12_000) -> pl.DataFrame:
    """Two tasks that depend on different columns, so that neither helps the other."""
    draw = np.random.default_rng(22)
    numbers = draw.normal(0, 1, (rows, 8)).round(_DIGITS)  # [N, 8]
    ids = {name: draw.integers(0, count, rows) for name, count in _IDS_APART.items()}
    shop, device, hour = (draw.normal(0, 1, c)[ids[name]] for name, c in _IDS_APART.items())
    churn = 0.9 * numbers[:, 0] - 0.8 * np.maximum(numbers[:, 1], 0) * numbers[:, 2] + 0.7 * shop
    fraud = 1.1 * np.abs(numbers[:, 4]) * device + 0.8 * hour + 0.5 * numbers[:, 5]
    logits = {"churns": churn - 0.5, "cheats": fraud - 2.2}
    columns = {f"number_{at}": numbers[:, at] for at in range(8)}
    return _table(draw, {**columns, **_named(ids)}, logits)


_IDS = {"region": 12, "product": 300, "channel": 5, "plan": 40}
_IDS_APART = {"shop": 200, "device": 6, "hour": 24}

GENERATED: Mapping[str, Callable[[], pl.DataFrame]] = {
    "generated-shared": shared,
    "generated-apart": apart,
}


def _named(ids: Mapping[str, NDArray[np.int64]]) -> dict[str, list[str]]:
    """Ids as text, so that they aren't taken for numbers."""
    return {name: [f"{name[0]}{number}" for number in of] for name, of in ids.items()}


def _table(
    draw: np.random.Generator, columns: Mapping[str, object], logits: Mapping[str, Array]
) -> pl.DataFrame:
    """The columns, a label of each task drawn by its probability, and the probabilities."""
    chances = {task: 1 / (1 + np.exp(-of)) for task, of in logits.items()}
    labels = {task: (draw.random(len(of)) < of).astype(np.uint8) for task, of in chances.items()}
    truth = {f"{TRUTH}{task}": of.round(_TRUTH_DIGITS) for task, of in chances.items()}
    return pl.DataFrame({**columns, **labels, **truth})
