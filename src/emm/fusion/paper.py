"""The fusion as the paper wires it: every component reads its task's fused output."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from emm.fusion.akf import AdaptiveKnowledgeFusion
from emm.nn.grouped import Towers

# Output [B, H] of a member's component of a level, both numbered from 0, for its inputs.
Components = Callable[..., Tensor]


class PaperFusion(nn.Module):
    """z = AKF_1(x), z = AKF_l(z) for l = 2..C, y_t = tower_t(z_t), with fresh towers (Algorithm 2).

    ``of_task``: numbers of each task's members; ``widths``: output width of each level;
    ``in_width``: width of the embedded features that the gates of level 1 read.
    """

    def __init__(
        self,
        of_task: Sequence[Sequence[int]],
        widths: Sequence[int],
        in_width: int,
        tower: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.of_task = of_task
        counts = [len(numbers) for numbers in of_task]
        self.levels = nn.ModuleList(
            AdaptiveKnowledgeFusion(counts, start, width)
            for start, width in zip([in_width, *widths[:-1]], widths, strict=True)
        )
        self.towers = Towers(len(of_task), widths[-1], tower, dropout)

    def forward(self, x: Tensor, raw: tuple[Tensor, Tensor], components: Components) -> Tensor:
        """x [B, in]: embedded features; raw: dense [B, D], sparse [B, F] -> logits [B, T]."""
        tasks = len(self.of_task)
        z = x.unsqueeze(1).expand(-1, tasks, -1)  # [B, T, in]
        for level, fusion in enumerate(self.levels):
            inputs = [(own,) for own in z.unbind(1)] if level else [raw] * tasks
            outputs = [
                torch.stack([components(number, level, *own) for number in numbers], dim=1)
                for numbers, own in zip(self.of_task, inputs, strict=True)
            ]  # per task [B, M, H]
            z = fusion(z, outputs)  # [B, T, H]
        logits: Tensor = self.towers(z)
        return logits
