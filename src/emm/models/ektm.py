"""EKTM: effective knowledge transfer between tasks. Cai, Yuan, Dong, 2026."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.data.tables.outputs import output_columns
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import GroupedLinear, Towers, grouped_mlp, mlp
from emm.nn.numeric import DenseEncoding


class Transmitters(nn.Module):
    """k_t = sigmoid(V_t (h_t, r)) * transmit_t(r), for each of R receiving tasks.

    ``transmit``, one hidden layer, turns the router's knowledge r into that of a task; the gate
    takes of it what helps, given the task's own h_t.
    """

    def __init__(self, receivers: int, width: int, dropout: float) -> None:
        super().__init__()
        self.transmit = grouped_mlp(receivers, width, [width], dropout)
        self.gates = GroupedLinear(receivers, 2 * width, width)

    def forward(self, own: Tensor, routed: Tensor) -> Tensor:
        """own [B, R, H], routed [B, H] -> [B, R, H]."""
        both = torch.cat([own, routed.unsqueeze(1).expand_as(own)], dim=2)  # [B, R, 2H]
        taken: Tensor = self.gates(both).sigmoid() * self.transmit(routed)
        return taken


class EKTM(nn.Module):
    """y_t = tower_t(h_t) + enhance_t(h_t, k_t), h_t = bottom_t(x), k_t = transmitter_t(r).

    r = router(h_1, ..., h_T) is the knowledge of all tasks, which the router integrates and passes
    on to each. A transmitter, see `Transmitters`, transforms it for one task. The enhancement adds
    what it brings to the task's own logit, which the task can so learn without it. The first step
    of a funnel, the click, receives nothing: the method is one for conversions. Without a funnel,
    every task receives.

    From the paper's abstract are the router that integrates and disseminates knowledge, a
    transmitter per conversion task that transforms it, and an enhancement by which the task itself
    benefits. The formulas are this project's: the authors' weren't at hand, and no code is
    published.

    ``bottom``: hidden widths of the network of one task; ``router``: those of the router, before a
    layer as wide as the last of ``bottom``; ``tower``: of towers and enhancements. ``funnel``, the
    tasks' indices, come from the data. Raises ParamsError if ``bottom`` is empty.
    Cai, Yuan, Dong, "Effective Knowledge Transfer for Multi-Task Recommendation Models",
    arXiv 2605.05730, 2026.
    """

    receivers: Tensor
    columns: Tensor

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        bottom: Sequence[int] = (128, 64),
        router: Sequence[int] = (),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        funnel: Sequence[int] = (),
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.bottoms = grouped_mlp(tasks, self.front.width, bottom, dropout)
        width = bottom[-1]
        self.router = mlp(tasks * width, [*router, width], dropout)
        receivers = [task for task in range(tasks) if task not in funnel[:1]]
        self.transmitters = Transmitters(len(receivers), width, dropout)
        self.towers = Towers(tasks, width, tower, dropout, outputs)
        own = [outputs[task] for task in receivers] if outputs else ()
        self.enhancements = Towers(len(receivers), 2 * width, tower, dropout, own)
        self.register_buffer("receivers", torch.tensor(receivers), persistent=False)
        self.register_buffer("columns", _columns(tasks, receivers, outputs), persistent=False)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        states: Tensor = self.bottoms(self.front(dense, sparse))  # [B, T, H]
        own = states.index_select(1, self.receivers)  # [B, R, H]
        taken = self.transmitters(own, self.router(states.flatten(1)))
        enhanced: Tensor = self.enhancements(torch.cat([own, taken], dim=2))
        logits: Tensor = self.towers(states) + enhanced @ self.columns
        return logits


def _columns(tasks: int, receivers: Sequence[int], outputs: Sequence[int]) -> Tensor:
    """0 and 1, [logits of the receivers, O]: where the logits of the receivers are among all."""
    places = [range(*output_columns(outputs, task).indices(10**9)) for task in range(tasks)]
    own = [column for task in receivers for column in places[task]]
    return torch.eye(places[-1].stop)[own]
