"""HoME: hierarchy of multi-gate experts. Wang et al., 2024."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.config.task_groups import Groups, group_numbers
from emm.nn.embedding import FeatureFront
from emm.nn.gates import Gates
from emm.nn.inputs import Inputs
from emm.nn.mlp import GroupedLinear, Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding


class FeatureGates(nn.Module):
    """x'_s = x_s * sum_n g_s(x_s)_n 2 sigmoid(x_s B_sn A_sn), for the input of each of S sets.

    Each set of experts has its own view of the input, so that no set's gradient overwrites what
    another reads. The matrices B_sn A_sn have the rank ``rank``.
    """

    def __init__(self, sets: int, width: int, gates: int, rank: int) -> None:
        super().__init__()
        self.down = GroupedLinear(sets * gates, width, rank, bias=False)
        self.up = GroupedLinear(sets * gates, rank, width, bias=False)
        self.shares = Gates(sets, width, gates) if gates > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in], shared by all sets, or [B, S, in] -> [B, S, in]."""
        factors: Tensor = 2 * self.up(self.down(x)).sigmoid()  # [B, S*n, in]
        if self.shares is not None:
            shares: Tensor = self.shares(x)  # [B, S, n]
            each = torch.unflatten(factors, 1, (shares.shape[1], -1))  # [B, S, n, in]
            factors = (shares.unsqueeze(3) * each).sum(dim=2)  # [B, S, in]
        return (x if x.dim() == 3 else x.unsqueeze(1)) * factors


class Readers(nn.Module):
    """z_r = sum_k g_r(x_r)_k e_k + sum_k s_r(x_r)_k e_k, for each of R readers.

    The first sum is over the m experts that r reads, with softmax weights g. The second, the self
    gate, is over the first ``own`` of them: softmax weights s, or a sigmoid for a single one. It
    passes the gradient of r to its own experts where g prefers others.
    ``reads`` [R, m]: the experts of each reader, its own first.
    """

    reads: Tensor

    def __init__(self, in_width: int, reads: Sequence[Sequence[int]], own: int) -> None:
        super().__init__()
        self.register_buffer("reads", torch.tensor(reads), persistent=False)
        self.gates = Gates(len(reads), in_width, len(reads[0]))
        self.self_gates = GroupedLinear(len(reads), in_width, own, bias=False)

    def forward(self, x: Tensor, experts: Tensor) -> Tensor:
        """x [B, in] or [B, R, in], experts [B, K, H] -> [B, R, H]."""
        scores: Tensor = self.self_gates(x)  # [B, R, own]
        own = scores.sigmoid() if scores.shape[2] == 1 else scores.softmax(dim=2)
        gates: Tensor = self.gates(x)  # [B, R, m]
        weights = gates + nn.functional.pad(own, (0, gates.shape[2] - own.shape[2]))
        read = experts.index_select(1, self.reads.flatten())  # [B, R*m, H]
        return (weights.unsqueeze(3) * torch.unflatten(read, 1, self.reads.shape)).sum(dim=2)


class Level(nn.Module):
    """S sets of experts, ``experts`` in each, that read their gated inputs."""

    def __init__(
        self,
        sets: int,
        in_width: int,
        experts: int,
        expert: Sequence[int],
        dropout: float,
        feature_gates: int,
        rank: int,
    ) -> None:
        super().__init__()
        self.feature_gates = FeatureGates(sets, in_width, feature_gates, rank)
        layers = grouped_mlp(sets * experts, in_width, expert, dropout)
        swish = (nn.SiLU() if isinstance(layer, nn.ReLU) else layer for layer in layers)
        self.experts = nn.Sequential(*swish)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in], shared by all sets, or [B, S, in] -> [B, S*experts, H]."""
        outputs: Tensor = self.experts(self.feature_gates(x))
        return outputs


class HoME(nn.Module):
    """y_t = tower_t(z_t), z_t a mix of the experts of t, of its category c and of all tasks.

    An expert is Swish(norm(W x)) per layer, Swish(x) = x sigmoid(x): outputs have one scale, and no
    expert is stuck at zero. There are two levels. In the first, each category has experts, and some
    are shared; all read the features. z_c mixes those of c and the shared ones, z_S mixes all. In
    the second, tasks and categories have experts, which read z_c, and the shared ones read z_S. z_t
    mixes those of t, of c and the shared ones, with gates that read z_c and z_S. Each set of
    experts has `FeatureGates`; `Readers` are the mixes.

    ``groups``: names of tasks by category, such as those of watching and those of interaction; a
    task in none of them is a category of its own. ``experts``: of each set; ``expert``, ``tower``:
    hidden widths of one; ``feature_gates``, ``rank``: number and rank of those of one set.
    ``task_names`` come from the data. Raises ParamsError if ``expert`` is empty, and for a task in
    ``groups`` that doesn't exist or is there twice.
    Wang et al., "HoME: Hierarchy of Multi-Gate Experts for Multi-Task Learning at Kuaishou",
    KDD 2025, arXiv 2408.05430.
    """

    sources: Tensor

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        groups: Groups | None = None,
        experts: Count = 2,
        expert: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        feature_gates: Count = 2,
        rank: Count = 4,
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        task_names: Sequence[str] = (),
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        own = group_numbers(groups or {}, task_names, tasks)  # the category of each task
        count, width = max(own) + 1, self.front.width
        knobs = (experts, expert, dropout, feature_gates, rank)
        self.meta = Level(count + 1, width, *knobs)
        shared, others = _set(count, experts), [*range(count * experts)]
        pairs = [_set(each, experts) + shared for each in range(count)]
        self.category_readers = Readers(width, pairs, experts)
        self.shared_reader = Readers(width, [shared + others], experts)
        self.level = Level(tasks + count + 1, expert[-1], *knobs)
        last = _set(tasks + count, experts)
        reads = [
            _set(task, experts) + _set(tasks + own[task], experts) + last for task in range(tasks)
        ]
        self.task_readers = Readers(2 * expert[-1], reads, experts)
        self.towers = Towers(tasks, expert[-1], tower, dropout, outputs)
        sources = torch.tensor([*own, *range(count + 1)])  # of the inputs of the second level
        self.register_buffer("sources", sources, persistent=False)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        x: Tensor = self.front(dense, sparse)
        experts = self.meta(x)
        meta = torch.cat([self.category_readers(x, experts), self.shared_reader(x, experts)], dim=1)
        read = meta.index_select(1, self.sources)  # [B, T+C+1, H], of the tasks' categories first
        tasks = read[:, : -meta.shape[1]]  # [B, T, H]
        both = torch.cat([tasks, meta[:, -1:].expand_as(tasks)], dim=2)  # [B, T, 2H]
        logits: Tensor = self.towers(self.task_readers(both, self.level(read)))
        return logits


def _set(number: int, experts: int) -> list[int]:
    """The experts of one set."""
    return [*range(number * experts, (number + 1) * experts)]
