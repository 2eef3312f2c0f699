"""ResFlow: residual information from task to task, layer by layer. Fu et al., KDD 2024."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.data.tables.outputs import output_columns
from emm.data.tables.schema import BINARY
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding

Flow = Literal["sequential", "parallel"]
"""From each task of the chain to the next one, or from the first task to every other one."""


class Residual(nn.Module):
    """h_t = f_t + h_p, with p the task before t: the sum of f over t and all tasks before it.

    ``flow`` [R, K]: 1 where the output k is one of r or of a task before that of r, otherwise 0.
    """

    flow: Tensor

    def __init__(self, flow: Tensor) -> None:
        super().__init__()
        self.register_buffer("flow", flow, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, K, H] -> [B, R, H]."""
        return (self.flow.unsqueeze(2) * x.unsqueeze(1)).sum(dim=2)


class ResFlow(nn.Module):
    """h_t^l = layer_t^l(h_t^{l-1}) + h_p^l, y_t = last_t(h_t^L) + y_p, with p the task before t.

    h^0 = x. All tasks have networks of the same shape. Each adds its hidden units, layer by layer,
    and its logit to those of the task before, and so learns what that task doesn't explain. The
    first task has no residuals. ``flow``: see `Flow`. The chain has the steps of the funnel in
    their order, then the other tasks in theirs; without a funnel it has the order of the tasks. The
    logits always are in the order of the tasks.

    Only binary tasks have residuals of logits, from the nearest binary task before, as logits of
    classes and values of a regression have no common unit with them.

    ``bottom``: hidden widths of the network of one task; ``features``, ``logits``: whether hidden
    units and logits have residuals. For ratings at several thresholds, the authors' code has those
    of the logits only. ``funnel``, the tasks' indices, and ``kinds`` of the tasks come from the
    data. Raises ParamsError if ``bottom`` is empty.
    Fu et al., "Residual Multi-Task Learner for Applied Ranking", KDD 2024.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        bottom: Sequence[int] = (128, 64, 32),
        flow: Flow = "sequential",
        features: bool = True,
        logits: bool = True,
        dropout: Share = 0.0,
        funnel: Sequence[int] = (),
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
        kinds: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        chain = (*funnel, *(task for task in range(tasks) if task not in funnel))
        layers: list[nn.Module] = []
        for before, after in pairwise([self.front.width, *bottom]):
            layers.append(grouped_mlp(tasks, before, [after], dropout))
            if features:
                layers.append(Residual(task_flow(chain, flow)))
        self.bottoms = nn.Sequential(*(layers or grouped_mlp(tasks, self.front.width, (), dropout)))
        self.towers = Towers(tasks, bottom[-1], (), dropout, outputs)
        self.sums = Residual(logit_flow(chain, flow, outputs, kinds)) if logits else None

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        logits: Tensor = self.towers(self.bottoms(self.front(dense, sparse)))
        return logits if self.sums is None else self.sums(logits.unsqueeze(2)).squeeze(2)


def task_flow(chain: Sequence[int], flow: str) -> Tensor:
    """The matrix [T, T] of a `Residual`: each task, and those whose outputs flow into it."""
    found = torch.eye(len(chain))
    for place, task in enumerate(chain):
        before = chain[:place] if flow == "sequential" else chain[: min(place, 1)]
        found[task, list(before)] = 1.0
    return found


def logit_flow(
    chain: Sequence[int], flow: str, outputs: Sequence[int], kinds: Sequence[str]
) -> Tensor:
    """The matrix [O, O] of the `Residual` of the logits, between binary tasks only."""
    tasks = task_flow(chain, flow)
    columns = [output_columns(outputs, task) for task in range(len(chain))]
    found = torch.eye(columns[-1].stop)
    every = kinds or [BINARY if own.stop - own.start == 1 else "" for own in columns]
    binary = [task for task, kind in enumerate(every) if kind == BINARY]
    for task in binary:
        for before in binary:
            found[columns[task].start, columns[before].start] = tasks[task, before]
    return found
