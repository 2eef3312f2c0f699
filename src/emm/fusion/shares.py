"""The mean weight of each member in a fused model."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from emm.data.tables.rows import Rows
from emm.fusion.aligned import AlignedFusion
from emm.fusion.emm import EMM
from emm.fusion.ensemble import Ensemble
from emm.fusion.members import Members
from emm.fusion.stacking.module import StackedFusion
from emm.training.fit import predict

ROWS = 65_536


def mean_shares(model: EMM, members: Members, rows: Rows) -> dict[str, float]:
    """The mean weight over ``rows`` of each member among those of its task, by name.

    Of ``aligned`` and ``stacked`` that of its logit, of ``paper`` that in the weighted means of the
    levels (eq. 2), of ``ensemble`` the same for all. ``rows``: with what the model reads.
    """
    layout = model.fusion.layout
    if isinstance(model.fusion, Ensemble):
        means = [[1 / count] * count for count in layout.counts]
    elif isinstance(model.fusion, StackedFusion):
        means = _stacked_weights(model.fusion, rows)
    else:
        means = _mean_weights(model, _gates(model.fusion), rows)
    names = [member.name for member in members.all]
    networks = len(members.networks)
    found: dict[str, float] = {}
    for weights, own, others in zip(means, layout.networks, layout.trees, strict=True):
        numbers = [*own, *(networks + number for number in others)]
        found |= {names[n]: weight for n, weight in zip(numbers, weights, strict=True)}
    return found


def _stacked_weights(fusion: StackedFusion, rows: Rows) -> list[list[float]]:
    """The mean weights of each task's own logits, divided by their sum; they can be negative."""
    combinations: list[Any] = [*fusion.combinations]
    counts = fusion.layout.counts
    with torch.inference_mode():
        sums = [
            sum(
                each.weights(batch.dense, batch.sparse).double().sum(0)
                for batch in rows.in_order(ROWS)
            )
            for each in combinations
        ]
    own = [total[:count] for total, count in zip(sums, counts, strict=True)]  # without other tasks'
    return [(total / total.sum()).tolist() for total in own]


def _gates(fusion: Any) -> list[list[nn.Module]]:
    """The gates over the members of each task: one, or one per level."""
    if isinstance(fusion, AlignedFusion):
        return [[gate] for gate in fusion.gates]
    return [list(gates) for gates in zip(*(level.gates for level in fusion.levels), strict=True)]


def _mean_weights(model: EMM, gates: list[list[nn.Module]], rows: Rows) -> list[list[float]]:
    """The mean of the softmax of each task's gates, over rows and gates."""
    sums: list[Tensor | float] = [0.0] * len(gates)
    counts = [0] * len(gates)

    def adding(task: int) -> Callable[[nn.Module, Any, Tensor], None]:
        def add(_gate: nn.Module, _inputs: Any, scores: Tensor) -> None:
            sums[task] = sums[task] + scores.double().softmax(1).sum(0)
            counts[task] += len(scores)

        return add

    with ExitStack() as hooks, torch.inference_mode():
        for task, own in enumerate(gates):
            for gate in own:
                hooks.callback(gate.register_forward_hook(adding(task)).remove)
        predict(model, rows)
    return [
        (total / count).tolist() if isinstance(total, Tensor) else []
        for total, count in zip(sums, counts, strict=True)
    ]
