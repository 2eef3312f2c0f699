"""Robust location and scale of dense features, which some networks start with."""

import torch
from torch import Tensor

from emm.data.tables.rows import Rows

MOST_ROWS = 100_000
"""Rows of train that are read; of more, so many are taken, spread evenly."""


@torch.no_grad()
def robust_scales(train: Rows) -> list[tuple[float, float]]:
    """The median of each dense feature, and the factor that brings it to a common scale: D pairs.

    The factor is 1 over the distance of the quartiles; if that is 0, 2 over the range, and 0 for a
    constant. Holzmüller, Grinsztajn, Steinwart, NeurIPS 2024, section 3.
    """
    count = min(len(train), MOST_ROWS)
    chosen = torch.linspace(0, len(train) - 1, count, dtype=torch.float64).round().long()
    rows = train.rows(chosen.to(train.labels.device))
    dense = torch.cat([batch.dense for batch in rows.in_order(MOST_ROWS)]).double().cpu()
    columns = [_robust(column) for column in dense.unbind(1)]
    return [(float(median), float(factor)) for median, factor in columns]


def _robust(column: Tensor) -> tuple[Tensor, Tensor]:
    """column [N] -> median and factor."""
    low, first, median, third, high = column.quantile(
        torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=column.dtype)
    )
    for distance, unit in ((third - first, 1.0), (high - low, 2.0)):
        if distance > 0:
            return median, unit / distance
    return median, torch.zeros(())
