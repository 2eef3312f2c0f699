"""The paper variant: every component reads the fused output of its task."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from emm.fusion.akf import AdaptiveKnowledgeFusion
from emm.fusion.layout import Layout, Lift, adapter
from emm.fusion.settings import Projections
from emm.nn.mlp import Towers

# Output [B, H] of the component of a network (first argument) at a level (second), both from 0.
Components = Callable[..., Tensor]


class PaperFusion(nn.Module):
    """z = AKF_1(x), z = AKF_l(z) for l = 2..C, y_t = tower_t(z_t) (Algorithm 2, arXiv 2504.09812).

    ``in_width``: width of the embedded features, which the gates of level 1 read; ``tower``: hidden
    widths of the towers, which are new; without ``merge``, tasks exchange nothing; ``projections``:
    see `MultiTaskMerge`.
    """

    def __init__(
        self,
        layout: Layout,
        in_width: int,
        tower: Sequence[int],
        dropout: float,
        *,
        merge: bool,
        projections: Projections = "activated",
    ) -> None:
        super().__init__()
        self.layout = layout
        widths = layout.level_widths
        starts = [in_width, *widths[:-1]]
        self.levels = nn.ModuleList(
            AdaptiveKnowledgeFusion(
                layout.counts, start, width, merge=merge, projections=projections
            )
            for start, width in zip(starts, widths, strict=True)
        )
        self.lifts = nn.ModuleList(Lift(layout, level) for level in range(len(widths)))
        # From the width of a level to the input width of each network's next component.
        self.entries = nn.ModuleList(
            nn.ModuleList(adapter(width, of_network[level]) for of_network in layout.widths)
            for level, width in enumerate(widths[:-1])
        )
        self.towers = Towers(len(layout.networks), widths[-1], tower, dropout, layout.outputs)

    def forward(
        self,
        x: Tensor,
        starts: Sequence[tuple[Tensor, ...]],
        components: Components,
        shares: Tensor,
        _offsets: Tensor,
    ) -> Tensor:
        """x [B, in]: embedded features; starts: what each network's first component reads; shares
        [B, S, C]: the trees' logits by level -> logits [B, O]."""
        z = x.unsqueeze(1).expand(-1, len(self.layout.networks), -1)  # [B, T, in]
        for level, (fusion, lift) in enumerate(zip(self.levels, self.lifts, strict=True)):
            outputs = [
                components(number, level, *(self._input(z, level, number) if level else start))
                for number, start in enumerate(starts)
            ]
            z = fusion(z, lift(outputs, shares[:, :, level]))  # [B, T, H]
        logits: Tensor = self.towers(z)
        return logits

    def _input(self, z: Tensor, level: int, number: int) -> tuple[Tensor]:
        """The input of a network's component of ``level``: z of its task, in the width it needs."""
        task = self.layout.task_of_network[number]
        entries: nn.ModuleList = self.entries[level - 1]  # type: ignore[assignment]
        entered: Tensor = entries[number](z[:, task])
        return (entered,)
