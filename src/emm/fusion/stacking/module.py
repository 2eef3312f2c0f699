"""The variant `stacked`: each task's logits are combined by the ladder of steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.fusion.ensemble import Ensemble
from emm.fusion.layout import Layout
from emm.fusion.paper import Components
from emm.fusion.stacking.combination import Combination
from emm.fusion.stacking.residual import columns_of, logit_columns
from emm.fusion.stacking.rows import joined
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble


@dataclass(frozen=True)
class StackShape:
    """What the stacking of a task consists of, by which it is rebuilt before it is loaded.

    Attributes:
        gate: whether weights depend on the row.
        residual: arguments of the boosted correction's `TreeEnsemble`; None without one.
        others: whether both also read the logits of the other tasks' members.
    """

    gate: bool = False
    residual: Mapping[str, int] | None = None
    others: bool = False


class Columns(nn.Module):
    """The features as one matrix: dense [B, D], sparse [B, F] -> [B, D + F] float32, which holds
    every id that trees can read."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.width = inputs.dense + inputs.sparse

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return torch.cat([dense, sparse.to(dense.dtype)], dim=1)


class StackedFusion(nn.Module):
    """Combines the logits of each task's members: see `emm.fusion.stacking.ladder`.

    ``towers``: the trained towers of the networks; ``shapes``: of each task, () for the plain
    average of the pool.
    """

    def __init__(
        self,
        layout: Layout,
        inputs: Inputs,
        towers: Sequence[nn.Module],
        shapes: Sequence[StackShape] = (),
    ) -> None:
        super().__init__()
        self.layout, self.dense = layout, inputs.dense
        self.members = Ensemble(layout, towers)
        self.shapes = tuple(shapes) or (StackShape(),) * len(layout.counts)
        outputs = layout.outputs or (1,) * len(layout.counts)
        logits = [count * width for count, width in zip(layout.counts, outputs, strict=True)]
        joining = [
            sum(logits) - own if shape.others and width == 1 else 0
            for own, width, shape in zip(logits, outputs, self.shapes, strict=True)
        ]
        self.combinations = nn.ModuleList(
            Combination(inputs, count + others, width, features=shape.gate, others=others)
            for count, width, shape, others in zip(
                layout.counts, outputs, self.shapes, joining, strict=True
            )
        )
        self.residuals = nn.ModuleList(
            nn.Identity()
            if shape.residual is None
            else TreeEnsemble(
                columns_of(inputs, sum(logits) if shape.others else own), **shape.residual
            )
            for own, shape in zip(logits, self.shapes, strict=True)
        )

    def forward(
        self,
        x: Tensor,
        starts: Sequence[tuple[Tensor, ...]],
        components: Components,
        shares: Tensor,
        offsets: Tensor,
    ) -> Tensor:
        """Logits [B, O] from x [B, D + F], see `Columns`; for the rest see `Ensemble`."""
        dense, sparse = x[:, : self.dense], x[:, self.dense :].to(torch.int32)
        members = self.members.logits(starts, components, shares, offsets)
        found = []
        for task, (combination, residual) in enumerate(
            zip(self.combinations, self.residuals, strict=True)
        ):
            own, others = members[task], None
            if self.shapes[task].others:
                own, others = joined(own, others_of(members, task))
            logits: Tensor = combination(own, dense, sparse)
            if isinstance(residual, TreeEnsemble):
                read = logit_columns(own, others)
                logits = logits + residual(torch.cat([dense, read], dim=1), sparse)
            found.append(logits)
        return torch.cat(found, dim=1)


def others_of(members: Sequence[Tensor], task: int) -> Tensor:
    """The logits of the members of the other tasks: T tensors [B, M, C] -> [B, Q]."""
    own = members[task]
    return torch.cat(
        [own.new_zeros(own.shape[0], 0)]
        + [each.flatten(1) for number, each in enumerate(members) if number != task],
        dim=1,
    )
