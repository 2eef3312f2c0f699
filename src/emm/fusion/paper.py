"""The fusion as the paper wires it: every component reads its task's fused output."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from emm.fusion.akf import AdaptiveKnowledgeFusion
from emm.fusion.layout import Layout, Lift, adapter
from emm.nn.mlp import Towers

# Output [B, H] of a network's component of a level, both numbered from 0, for its inputs.
Components = Callable[..., Tensor]


class PaperFusion(nn.Module):
    """z = AKF_1(x), z = AKF_l(z) for l = 2..C, y_t = tower_t(z_t), with fresh towers (Algorithm 2).

    ``in_width``: width of the embedded features that the gates of level 1 read; ``tower``: hidden
    widths; without ``merge`` tasks exchange nothing.
    """

    def __init__(
        self,
        layout: Layout,
        in_width: int,
        tower: Sequence[int],
        dropout: float,
        *,
        merge: bool,
    ) -> None:
        super().__init__()
        self.layout = layout
        widths = layout.level_widths
        starts = [in_width, *widths[:-1]]
        self.levels = nn.ModuleList(
            AdaptiveKnowledgeFusion(layout.counts, start, width, merge=merge)
            for start, width in zip(starts, widths, strict=True)
        )
        self.lifts = nn.ModuleList(Lift(layout, level) for level in range(len(widths)))
        # From a level's width to what a network's next component was trained to read.
        self.entries = nn.ModuleList(
            nn.ModuleList(adapter(width, own[level]) for own in layout.widths)
            for level, width in enumerate(widths[:-1])
        )
        self.towers = Towers(len(layout.networks), widths[-1], tower, dropout)

    def forward(
        self,
        x: Tensor,
        raw: tuple[Tensor, Tensor],
        components: Components,
        shares: Tensor,
        _offsets: Tensor,
    ) -> Tensor:
        """x [B, in]: embedded features; raw: dense [B, D], sparse [B, F]; shares [B, trees, C] of
        the trees' logits -> logits [B, T]."""
        z = x.unsqueeze(1).expand(-1, len(self.layout.networks), -1)  # [B, T, in]
        for level, (fusion, lift) in enumerate(zip(self.levels, self.lifts, strict=True)):
            found = [
                components(number, level, *(self._read(z, level, number) if level else raw))
                for number in range(len(self.layout.widths))
            ]
            z = fusion(z, lift(found, shares[:, :, level]))  # [B, T, H]
        logits: Tensor = self.towers(z)
        return logits

    def _read(self, z: Tensor, level: int, number: int) -> tuple[Tensor]:
        """z of the network's task, as its component of ``level`` reads it."""
        task = next(t for t, own in enumerate(self.layout.networks) if number in own)
        entries: nn.ModuleList = self.entries[level - 1]  # type: ignore[assignment]
        entered: Tensor = entries[number](z[:, task])
        return (entered,)
