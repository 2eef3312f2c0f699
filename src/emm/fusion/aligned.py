"""The fusion that starts as the ensemble of its trained models and learns corrections to it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.fusion.akf import AdaptiveKnowledgeFusion
from emm.fusion.paper import Components


class AlignedFusion(nn.Module):
    """Each trained model keeps a path of its own through the levels.

    At level l, component j of task t reads u_j, the output of its own model so far, and
    u_j <- C_j(u_j) + z_t, where z is the level's AKF over all components' outputs. The logit of a
    task is a gated mean of its models' towers. The values V of each merge start at zero and the
    gates uniform: at first the model is the mean of its trained models' logits, and what it learns
    are corrections. (The paper's own wiring feeds each component a mixture of models that it was
    never trained on.) All gates read the embedded features.

    ``of_task``: numbers of each task's members; ``widths``: output width of each level;
    ``in_width``: width of the embedded features; ``towers``: the members' towers, trained on.
    """

    def __init__(
        self,
        of_task: Sequence[Sequence[int]],
        widths: Sequence[int],
        in_width: int,
        towers: Sequence[nn.Module],
    ) -> None:
        super().__init__()
        self.of_task = of_task
        counts = [len(numbers) for numbers in of_task]
        self.levels = nn.ModuleList(
            _neutral(AdaptiveKnowledgeFusion(counts, in_width, width)) for width in widths
        )
        self.towers = nn.ModuleList(towers)
        self.gates = nn.ModuleList(_zero(nn.Linear(in_width, count)) for count in counts)

    def forward(self, x: Tensor, raw: tuple[Tensor, Tensor], components: Components) -> Tensor:
        """x [B, in]: embedded features; raw: dense [B, D], sparse [B, F] -> logits [B, T]."""
        read = x.unsqueeze(1).expand(-1, len(self.of_task), -1)  # [B, T, in]
        paths: list[tuple[Tensor, ...]] = [raw] * len(self.towers)
        for level, fusion in enumerate(self.levels):
            found = [components(number, level, *path) for number, path in enumerate(paths)]
            corrections = fusion(read, [self._of(found, own) for own in self.of_task])  # [B, T, H]
            for numbers, correction in zip(self.of_task, corrections.unbind(1), strict=True):
                for number in numbers:
                    paths[number] = (found[number] + correction,)
        logits = [tower(*path) for tower, path in zip(self.towers, paths, strict=True)]
        means = [
            (gate(x).softmax(1) * self._of(logits, own).squeeze(2)).sum(1)  # [B]
            for gate, own in zip(self.gates, self.of_task, strict=True)
        ]
        return torch.stack(means, dim=1)

    def _of(self, values: Sequence[Tensor], numbers: Sequence[int]) -> Tensor:
        """Values [B, H] of one task's members -> [B, M, H]."""
        return torch.stack([values[number] for number in numbers], dim=1)


@torch.no_grad()
def _neutral(fusion: AdaptiveKnowledgeFusion) -> AdaptiveKnowledgeFusion:
    """Make the gates uniform and V zero, so that the merge adds nothing yet."""
    for gate in fusion.gates:
        _zero(gate)
    for parameter in fusion.merge.projections.parameters():  # [T, 3*H, ...]: Q, K, V
        parameter[:, 2 * parameter.shape[1] // 3 :] = 0
    return fusion


def _zero(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
