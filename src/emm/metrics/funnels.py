"""Metrics of a funnel, a click and the conversion after it: CTR, CTCVR and CVR."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from emm.core.errors import DataError

LARGEST_CVR = 1 - 1e-6  # a ratio of two networks' outputs may exceed 1

Score = Callable[[Tensor, Tensor, Tensor], dict[str, list[float]]]


def conversion_logits(click: Tensor, conversion: Tensor) -> Tensor:
    """Logits of CVR = CTCVR / CTR, at most LARGEST_CVR, from those of CTR and CTCVR; float64.

    For a model that multiplies CTR and CVR, this is its own CVR up to rounding. For one that
    predicts click and conversion separately over all rows, it is the CVR that these two imply
    (Ma et al., SIGIR 2018, call it DIVISION).
    """
    share = logsigmoid(conversion.double()) - logsigmoid(click.double())  # log CVR
    share = share.clamp(max=torch.tensor(LARGEST_CVR, dtype=torch.float64).log().item())
    return share - torch.log(-torch.expm1(share))


def funnel_metrics(
    click: Tensor, conversion: Tensor, labels: Tensor, score: Score
) -> Mapping[str, dict[str, list[float]]]:
    """Metrics of ``ctr`` and ``ctcvr`` over all rows, and of ``cvr`` over the clicked rows.

    Args:
        click: logits of a click, [S, N].
        conversion: logits of a click with a conversion, [S, N].
        labels: of click and conversion, [N, 2].
        score: computes metrics from logits [S, R], labels [R] and the indices of the rows [R].

    Raises DataError if no row was clicked.
    """
    clicked, converted = (labels == 1).unbind(1)
    all_rows = torch.arange(len(labels), device=labels.device)
    clicked_rows = all_rows[clicked]
    if not len(clicked_rows):
        raise DataError("the CVR is undefined: no row was clicked", got=f"{len(labels)} rows")
    conversions = conversion_logits(click[:, clicked_rows], conversion[:, clicked_rows])
    return {
        "ctr": score(click, clicked.to(labels.dtype), all_rows),
        "ctcvr": score(conversion, (clicked & converted).to(labels.dtype), all_rows),
        "cvr": score(conversions, converted[clicked_rows].to(labels.dtype), clicked_rows),
    }
