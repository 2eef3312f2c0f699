"""Sluice networks: one network per task that shares subspaces of its layers. Ruder et al., 2019."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.config.binding import Count, NotNegative, Share
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import GroupedLinear, Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding

_SUBSPACES = 2


class Sluice(nn.Module):
    """s'_i = sum_j alpha_ij s_j over the 2T subspaces s_j of one layer of all T networks (eq. 3).

    A subspace starts with the share ``own`` of itself, and equal shares of the others.
    """

    def __init__(self, tasks: int, own: float) -> None:
        super().__init__()
        count = tasks * _SUBSPACES
        start = torch.full((count, count), (1 - own) / (count - 1)).fill_diagonal_(own)
        self.alpha = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, 2H] -> [B, T, 2H]."""
        subspaces = x.reshape(x.shape[0], len(self.alpha), -1)  # [B, 2T, H]
        mixed = (self.alpha.unsqueeze(2) * subspaces.unsqueeze(1)).sum(dim=2)
        return mixed.reshape(x.shape)


class SluiceNetwork(nn.Module):
    """h^l = sluice^l(layer^l(h^{l-1})) of all tasks, y_t = tower_t(sum_l beta_tl h_t^l), h^0 = x.

    Each layer of a task's network has two subspaces, which learn what is shared and what isn't:
    alpha mixes the subspaces of all tasks (eqs. 2-3), beta a task's layers (eq. 4). The penalty
    sum_tl ||W_tl1 W_tl2'||^2 keeps the subspaces of a layer apart, with W_tli the weights of the
    layer into subspace i (eq. 5).

    ``layers``: of the network of one task; ``width``: hidden units of one subspace, half of a
    layer's; ``tower``: hidden widths; ``orthogonality``: weight of the penalty next to the sum of
    the tasks' losses; ``own``: the first share of a subspace itself in alpha and of the last layer
    in beta. The networks share the embeddings.
    Ruder, Bingel, Augenstein, Søgaard, "Latent Multi-task Architecture Learning", AAAI 2019.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        layers: Count = 2,
        width: Count = 32,
        tower: Sequence[int] = (32,),
        orthogonality: NotNegative = 0.01,
        own: Share = 0.9,
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.tasks, self.orthogonality = tasks, orthogonality
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        hidden = _SUBSPACES * width
        ends = [self.front.width, *[hidden] * (layers - 1)]
        self.layers = nn.ModuleList(grouped_mlp(tasks, end, [hidden], dropout) for end in ends)
        self.sluices = nn.ModuleList(Sluice(tasks, own) for _ in ends)
        beta = torch.full((tasks, layers), (1 - own) / max(layers - 1, 1))
        beta[:, -1] = own if layers > 1 else 1.0
        self.beta = nn.Parameter(beta)
        self.towers = Towers(tasks, hidden, tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        x: Tensor = self.front(dense, sparse)
        found = []
        for layer, sluice in zip(self.layers, self.sluices, strict=True):
            x = sluice(layer(x))  # [B, T, 2H]
            found.append(x)
        mixed = (self.beta.unsqueeze(2) * torch.stack(found, dim=2)).sum(dim=2)  # [B, T, 2H]
        logits: Tensor = self.towers(mixed)
        return logits

    def penalty(self, _logits: Tensor) -> Tensor:
        """The weighted penalty, which is added to the mean of the T tasks' losses.

        Divided by T, it has the same share as next to their sum. Logits [B, O] -> scalar.
        """
        norms = [overlap(layer[0]) for layer in self.layers]  # type: ignore[index]
        return self.orthogonality / self.tasks * torch.stack(norms).sum()


def overlap(layer: GroupedLinear) -> Tensor:
    """sum_t ||W_t1 W_t2'||^2 for the upper and lower halves of each task's weights; scalar.

    Ruder et al., AAAI 2019, eq. 5.
    """
    first, second = layer.weight.chunk(_SUBSPACES, dim=1)  # each [T, H, in]
    return (first @ second.transpose(1, 2)).square().sum()
