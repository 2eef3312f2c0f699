"""Metrics of a funnel, a click and the conversion after it: CTR, CTCVR and CVR, named as such."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from emm.core.errors import DataError

SURE = 1 - 1e-6  # the largest CVR: a ratio of two networks' outputs may be above 1

Score = Callable[[Tensor, Tensor, Tensor], dict[str, list[float]]]


def conversion_logits(click: Tensor, conversion: Tensor) -> Tensor:
    """Logits of CVR = CTCVR / CTR, at most SURE, of the logits of CTR and CTCVR; float64.

    For a model that multiplies CTR and CVR this is its own CVR, but for rounding; for one that
    predicts click and conversion apart, over all rows, it is the CVR that these two imply (Ma et
    al., SIGIR 2018, call it DIVISION).
    """
    share = logsigmoid(conversion.double()) - logsigmoid(click.double())  # log CVR
    share = share.clamp(max=torch.tensor(SURE, dtype=torch.float64).log().item())
    return share - torch.log(-torch.expm1(share))


def funnel_scores(
    click: Tensor, conversion: Tensor, labels: Tensor, score: Score
) -> Mapping[str, dict[str, list[float]]]:
    """``ctr`` and ``ctcvr`` over all rows, ``cvr`` over the clicked ones, as ``score`` gives them.

    click, conversion [S, N]: logits of a click, and of a click with a conversion; labels [N, 2]: of
    both steps. ``score(logits, labels, rows)`` is given logits [S, R] and labels [R] of the rows
    numbered ``rows`` [R]. Raises DataError if no row was clicked.
    """
    clicked, converted = (labels == 1).unbind(1)
    every = torch.arange(len(labels), device=labels.device)
    chosen = every[clicked]
    if not len(chosen):
        raise DataError("the CVR is undefined: no row was clicked", got=f"{len(labels)} rows")
    conversions = conversion_logits(click[:, chosen], conversion[:, chosen])
    return {
        "ctr": score(click, clicked.to(labels.dtype), every),
        "ctcvr": score(conversion, (clicked & converted).to(labels.dtype), every),
        "cvr": score(conversions, converted[chosen].to(labels.dtype), chosen),
    }
