"""AITM: adaptive information transfer along a sequence of tasks. Xi et al., KDD 2021."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from emm.config.binding import Count, NotNegative, Share
from emm.core.errors import ParamsError
from emm.data.tables.outputs import output_columns
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp, mlp
from emm.nn.numeric import DenseEncoding

PUBLISHED_WEIGHT = 0.6


class Attention(nn.Module):
    """Attention over the information p of the previous task and this task's q.

    z = sum_{u in p,q} w_u V(u), w = softmax over the two of <Q(u), K(u)> / sqrt(H): each token is
    scored by its own query and key. Q, K, V are linear, with ``biases`` or without.
    """

    def __init__(self, width: int, biases: bool) -> None:
        super().__init__()
        self.projections = nn.Linear(width, 3 * width, bias=biases)

    def forward(self, information: Tensor, current: Tensor) -> Tensor:
        """p and q, each [B, H] -> z [B, H]."""
        tokens = torch.stack([information, current], dim=1)  # [B, 2, H]
        query, key, value = self.projections(tokens).chunk(3, dim=2)  # each [B, 2, H]
        scores = (query * key).sum(dim=2) / sqrt(current.shape[1])  # [B, 2]
        mixed: Tensor = (scores.softmax(dim=1).unsqueeze(2) * value).sum(dim=1)  # [B, H]
        return mixed


class AITM(nn.Module):
    """z_1 = q_1, z_t = AIT(g_t(z_{t-1}), q_t), y_t = tower_t(z_t), with q_t = bottom_t(x).

    Information flows along a chain of tasks: the steps of the funnel in its order, then the other
    tasks in theirs. Without a funnel, it is the order of the tasks. The logits always are in the
    order of the tasks. g_t is an `emm.nn.mlp.mlp` of one layer; all steps of the chain share the
    `Attention`, as in the authors' code.

    The calibrator penalises a step of the funnel that is likelier than the one before. The other
    tasks have no such order, and neither has a conversion ``given_click``, so that nothing is
    penalised there.

    ``bottom``, ``tower``: hidden widths of one task; ``calibrator_weight``: of the calibrator next
    to the sum of the tasks' losses, by default the published 0.6 where it applies; ``biases``: of
    the attention. ``funnel``, the tasks' indices, and ``given_click``, whether conversions are
    known after a click only, come from the data. Raises ParamsError if ``bottom`` is empty, or for
    a calibrator that doesn't apply.
    Xi et al., "Modeling the Sequential Dependence among Audience Multi-step Conversions with
    Multi-task Learning in Targeted Display Advertising", KDD 2021.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        bottom: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        calibrator_weight: NotNegative | None = None,
        biases: bool = True,
        funnel: Sequence[int] = (),
        given_click: bool = False,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.calibrator_weight = _weight(calibrator_weight, funnel, given_click)
        self.chain = (*funnel, *(task for task in range(tasks) if task not in funnel))
        self.steps = [output_columns(outputs, task) for task in funnel]
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.bottoms = grouped_mlp(tasks, self.front.width, bottom, dropout)
        width = bottom[-1]
        self.transfers = nn.ModuleList(mlp(width, [width], dropout) for _ in range(tasks - 1))
        self.attention = Attention(width, biases)
        self.towers = Towers(tasks, width, tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        states = list(self.bottoms(self.front(dense, sparse)).unbind(dim=1))  # T times [B, H]
        pairs = zip(pairwise(self.chain), self.transfers, strict=True)
        for (before, task), transfer in pairs:
            states[task] = self.attention(transfer(states[before]), states[task])
        logits: Tensor = self.towers(torch.stack(states, dim=1))  # [B, O]
        return logits

    def penalty(self, logits: Tensor) -> Tensor:
        """The weighted calibrator, which is added to the mean of the T tasks' losses.

        Divided by T, it has the same share as next to their sum. Logits [B, O] -> scalar.
        """
        columns = [logits[:, step] for step in self.steps] or [logits[:, :0]]
        weight = self.calibrator_weight / len(self.chain)
        return weight * calibrator(torch.cat(columns, dim=1))


def calibrator(logits: Tensor) -> Tensor:
    """Sum over t >= 2 of the mean over rows of max(p_t - p_{t-1}, 0); logits [B, T] -> scalar.

    Xi et al., KDD 2021, the behavioural expectation calibrator.
    """
    probabilities = logits.sigmoid()
    return probabilities.diff(dim=1).relu().mean(dim=0).sum()


def _weight(wanted: float | None, funnel: Sequence[int], given_click: bool) -> float:
    """The weight of the calibrator: ``wanted``, or by default the published one with a funnel."""
    if funnel and not given_click:
        return PUBLISHED_WEIGHT if wanted is None else wanted
    if wanted:
        why = "conversions are known after a click only" if funnel else "the tasks have no funnel"
        raise ParamsError(
            f"AITM's calibrator doesn't apply, since {why}",
            where="calibrator_weight in the model's section",
            got=wanted,
            expected="0, or no such key",
            next_step="take it out"
            if funnel
            else "take it out, or declare preprocess.funnel if each row with a later step has the "
            "earlier one",
        )
    return 0.0
