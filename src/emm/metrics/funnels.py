"""Metrics of a funnel, a click and the conversion after it: CTR, CTCVR and CVR.

A conversion that happens only after a click has two usual labels. If it is known for every row, a
row without a click has the label 0, and a model's logit is that of CTCVR, a click with a
conversion. If it is missing without a click, the label is given a click, and so is the logit of a
model that learns from it: that of CVR.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from emm.core.errors import DataError

LARGEST_CVR = 1 - 1e-6  # a ratio of two networks' outputs may exceed 1

Score = Callable[[Tensor, Tensor, Tensor], dict[str, list[float]]]


class Step(NamedTuple):
    """Logits [S, R] and labels [R] of a step of the funnel, and the indices of its rows [R]."""

    logits: Tensor
    labels: Tensor
    rows: Tensor


def conversion_logits(click: Tensor, conversion: Tensor) -> Tensor:
    """Logits of CVR = CTCVR / CTR, at most LARGEST_CVR, from those of CTR and CTCVR; float64.

    For a model that multiplies CTR and CVR, this is its own CVR up to rounding. For one that
    predicts click and conversion separately over all rows, it is the CVR that these two imply
    (Ma et al., SIGIR 2018, call it DIVISION).
    """
    share = logsigmoid(conversion.double()) - logsigmoid(click.double())  # log CVR
    share = share.clamp(max=torch.tensor(LARGEST_CVR, dtype=torch.float64).log().item())
    return share - torch.log(-torch.expm1(share))


def is_given_click(labels: Tensor) -> bool:
    """Whether the conversion is known for clicked rows only; labels [N, 2], NaN is missing."""
    clicked, known = labels[:, 0] == 1, ~labels[:, 1].isnan()
    return bool((clicked & known).any()) and not bool((known & ~clicked).any())


def funnel_steps(
    click: Tensor, conversion: Tensor, labels: Tensor, partly_labelled: bool = False
) -> dict[str, Step]:
    """``ctr`` and ``ctcvr`` over all rows and ``cvr`` over the clicked rows, each where known.

    Args:
        click: logits of a click, [S, N].
        conversion: logits of the conversion's label, [S, N]: of CVR if `is_given_click`, otherwise
            of CTCVR.
        labels: of click and conversion, [N, 2].
        partly_labelled: whether a label may be NaN, which is missing.

    Raises DataError if no row with a known conversion was clicked.
    """
    clicked, converted = (labels == 1).unbind(1)
    click_known, both_known = _known(labels) if partly_labelled else (None, None)
    all_rows = torch.arange(len(labels), device=labels.device)
    after_click = all_rows[clicked if both_known is None else clicked & both_known]
    if not len(after_click):
        raise DataError(
            "the CVR is undefined: no row with a known conversion was clicked",
            got=f"{len(labels)} rows",
        )
    if partly_labelled and is_given_click(labels):
        both, given = both_logits(click, conversion), conversion[:, after_click]
    else:
        both = conversion
        given = conversion_logits(click[:, after_click], conversion[:, after_click])
    both_labels = (clicked & converted).to(labels.dtype)
    return {
        "ctr": _step(click, clicked.to(labels.dtype), all_rows, click_known),
        "ctcvr": _step(both, both_labels, all_rows, both_known),
        "cvr": Step(given, converted[after_click].to(labels.dtype), after_click),
    }


def funnel_metrics(
    click: Tensor,
    conversion: Tensor,
    labels: Tensor,
    score: Score,
    partly_labelled: bool = False,
) -> Mapping[str, dict[str, list[float]]]:
    """``score`` of logits [S, R], labels [R] and row indices [R] of each of the `funnel_steps`."""
    steps = funnel_steps(click, conversion, labels, partly_labelled)
    return {name: score(*step) for name, step in steps.items()}


def _known(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Masks of the rows with a known click, and with a known click with a conversion; each [N]."""
    click_known, conversion_known = (~labels.isnan()).unbind(1)
    return click_known, click_known & (conversion_known | (labels[:, 0] == 0))


def both_logits(click: Tensor, conversion: Tensor) -> Tensor:
    """Logits of CTCVR = CTR * CVR from those of CTR and CVR; float64."""
    share = logsigmoid(click.double()) + logsigmoid(conversion.double())  # log CTCVR
    return share - torch.log(-torch.expm1(share))


def _step(logits: Tensor, labels: Tensor, rows: Tensor, known: Tensor | None) -> Step:
    if known is None:
        return Step(logits, labels, rows)
    return Step(logits[:, known], labels[known], rows[known])
