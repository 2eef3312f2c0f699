"""AITM: adaptive information transfer along a sequence of tasks. Xi et al., KDD 2021."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn

from emm.config.binding import Count, NotNegative, Share
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp, mlp
from emm.nn.numeric import DenseEncoding


class Transfer(nn.Module):
    """z_t from the previous task's z and this task's q: p = g(z), then attention over p and q.

    z_t = sum_{u in p,q} w_u V(u), w = softmax over the two of <Q(u), K(u)> / sqrt(H): each token is
    scored by its own query and key. g is an `emm.nn.mlp.mlp` of one layer; Q, K, V are linear.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.information = mlp(width, [width], dropout)
        self.projections = nn.Linear(width, 3 * width)

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        """z_{t-1} and q_t, each [B, H] -> z_t [B, H]."""
        tokens = torch.stack([self.information(previous), current], dim=1)  # [B, 2, H]
        query, key, value = self.projections(tokens).chunk(3, dim=2)  # each [B, 2, H]
        scores = (query * key).sum(dim=2) / sqrt(current.shape[1])  # [B, 2]
        mixed: Tensor = (scores.softmax(dim=1).unsqueeze(2) * value).sum(dim=1)  # [B, H]
        return mixed


class AITM(nn.Module):
    """z_1 = q_1, z_t = AIT(g(z_{t-1}), q_t), y_t = tower_t(z_t), with q_t = bottom_t(x).

    Tasks must be in the order of the funnel (click before purchase): information flows forward,
    and the calibrator penalises a step that is likelier than the one before. It skips regression
    tasks: each binary task is compared with the previous binary one.
    ``bottom``, ``tower``: hidden widths of one task; ``calibrator_weight``: of the calibrator in
    the loss, 0 if the tasks form no funnel. Raises ParamsError if ``bottom`` is empty.
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
        calibrator_weight: NotNegative = 0.3,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.calibrator_weight = calibrator_weight
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.bottoms = grouped_mlp(tasks, self.front.width, bottom, dropout)
        self.transfers = nn.ModuleList(Transfer(bottom[-1], dropout) for _ in range(tasks - 1))
        self.towers = Towers(tasks, bottom[-1], tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        first, *others = self.bottoms(self.front(dense, sparse)).unbind(dim=1)  # T times [B, H]
        sequence = [first]
        for transfer, current in zip(self.transfers, others, strict=True):
            sequence.append(transfer(sequence[-1], current))
        logits: Tensor = self.towers(torch.stack(sequence, dim=1))  # [B, T]
        return logits

    def penalty(self, logits: Tensor) -> Tensor:
        """The weighted calibrator, which is added to the tasks' losses.

        Logits of the binary tasks [B, T'] -> scalar, 0 for fewer than two tasks.
        """
        return self.calibrator_weight * calibrator(logits)


def calibrator(logits: Tensor) -> Tensor:
    """Sum over t >= 2 of the mean over rows of max(p_t - p_{t-1}, 0); logits [B, T] -> scalar.

    Xi et al., KDD 2021, the behavioural expectation calibrator.
    """
    probabilities = logits.sigmoid()
    return probabilities.diff(dim=1).relu().mean(dim=0).sum()
