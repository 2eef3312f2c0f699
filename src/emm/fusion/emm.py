"""EMM: one multi-task model out of the components of trained single-task models."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emm.core.binding import Count, Share, bind
from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.akf import AdaptiveKnowledgeFusion
from emm.fusion.pool import Member, Pool
from emm.nn.embedding import FeatureFront
from emm.nn.grouped import Towers
from emm.nn.inputs import Inputs


class FrozenComponents(nn.Module):
    """Components of the pool, member by member; neither weights nor statistics ever change."""

    def __init__(self, members: Sequence[Member], inputs: Inputs) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.components(inputs) for member in members)
        self.requires_grad_(requires_grad=False)
        self.train(mode=False)

    def train(self, mode: bool = True) -> "FrozenComponents":
        """Stay in eval mode: batch norm must keep the statistics it was trained with."""
        super().train(mode=False)
        return self

    def forward(self, member: int, level: int, *inputs: Tensor) -> Tensor:
        """Output [B, H] of one member's component of one level (both from 0)."""
        levels: Any = self.members[member]
        output: Tensor = levels[level](*inputs)
        return output


class EMM(nn.Module):
    """Algorithm 2: z = AKF_1(x), z = AKF_l(z) for l = 2..C, y_t = tower_t(z_t).

    ``pool``: the trained models it is made of (`Member`); their components stay frozen, in eval
    mode, and read the raw features through their own embeddings. The gates of level 1 read
    features embedded anew, with width ``embedding_dim``; ``tower``: hidden widths of one tower.
    Raises ParamsError unless there are two tasks or more and a trained model for each.
    Zhou et al., arXiv 2504.09812.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        pool: Sequence[Mapping[str, Any]],
        embedding_dim: Count,
        tower: Sequence[int],
        dropout: Share,
    ) -> None:
        super().__init__()
        members = _members(pool)
        self.of_task = _by_task(members, tasks)
        self.components = FrozenComponents(members, inputs)
        self.front = FeatureFront(inputs, embedding_dim)
        counts = [len(numbers) for numbers in self.of_task]
        widths = members[0].widths
        starts = [self.front.width, *widths[:-1]]
        self.fusions = nn.ModuleList(
            AdaptiveKnowledgeFusion(counts, start, width)
            for start, width in zip(starts, widths, strict=True)
        )
        self.towers = Towers(tasks, widths[-1], tower, dropout)

    def load_components(self, pool: Pool) -> None:
        """Take over the trained weights; ModelFileError if they don't fit the components."""
        try:
            self.components.members.load_state_dict(dict(pool.tensors))
        except RuntimeError as error:
            raise ModelFileError(
                f"the pool's tensors don't fit its description: {error}",
                next_step="dvc repro --force decompose",
            ) from error

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, T]."""
        tasks = len(self.of_task)
        x = self.front(dense, sparse)
        z = x.unsqueeze(1).expand(-1, tasks, -1)  # [B, T, D + F*E]
        for level, fusion in enumerate(self.fusions):
            inputs = [(dense, sparse)] * tasks if level == 0 else [(own,) for own in z.unbind(1)]
            z = fusion(z, self._outputs(level, inputs))  # [B, T, H]
        logits: Tensor = self.towers(z)
        return logits

    def _outputs(self, level: int, inputs: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
        """Component outputs h_j^t of one level: per task [B, M, H]."""
        return [
            torch.stack([self.components(number, level, *own) for number in numbers], dim=1)
            for numbers, own in zip(self.of_task, inputs, strict=True)
        ]


def _members(pool: Sequence[Mapping[str, Any]]) -> tuple[Member, ...]:
    errors: list[str] = []
    members: tuple[Member, ...] = bind(tuple[Member, ...], list(pool), "pool", errors)
    if errors:
        raise ModelFileError(f"the pool's description is damaged: {'; '.join(errors)}")
    return members


def _by_task(members: Sequence[Member], tasks: int) -> list[list[int]]:
    """Numbers of the members of each task."""
    of_task = [[i for i, m in enumerate(members) if m.task == task] for task in range(tasks)]
    empty = [str(task + 1) for task, numbers in enumerate(of_task) if not numbers]
    if empty or tasks < 2:
        raise ParamsError(
            "EMM fuses two tasks or more, with a trained model for each",
            got=f"{tasks} tasks; none for task {', '.join(empty)}" if empty else f"{tasks} task",
            next_step="name more tasks or trained models in params.yaml",
        )
    return of_task
