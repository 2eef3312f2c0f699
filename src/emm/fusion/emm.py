"""EMM: one multi-task model out of the components of trained single-task models."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from emm.core.binding import Count, Share, bind, choose
from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.aligned import AlignedFusion
from emm.fusion.paper import PaperFusion
from emm.fusion.pool import Member, Pool
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs

VARIANTS = ("paper", "aligned")


class FrozenComponents(nn.Module):
    """Components, member by member; neither weights nor statistics ever change."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
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
    """A fusion of frozen components, in one of two wirings.

    ``pool``: the trained models it is made of (`Member`); their components stay frozen, in eval
    mode, and read the raw features through their own embeddings. ``variant``: ``paper`` feeds each
    component its task's fused output (Algorithm 2, arXiv 2504.09812), with fresh towers whose
    hidden widths are ``tower``; ``aligned`` starts as the ensemble of the pool, with the pool's
    own towers, and learns corrections. Gates read features embedded anew, with width
    ``embedding_dim``. Raises ParamsError for another variant, or unless there are two tasks or
    more and a trained model for each.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        variant: str,
        pool: Sequence[Mapping[str, Any]],
        embedding_dim: Count,
        tower: Sequence[int],
        dropout: Share,
    ) -> None:
        super().__init__()
        choose("variant", variant, VARIANTS, "train.emm.variant", "correct params.yaml")
        members = _members(pool)
        of_task, widths = _by_task(members, tasks), members[0].widths
        models = [member.build(inputs) for member in members]
        self.components = FrozenComponents([model.levels for model in models])
        self.front = FeatureFront(inputs, embedding_dim)
        self.fusion: PaperFusion | AlignedFusion
        if variant == "paper":
            self.fusion = PaperFusion(of_task, widths, self.front.width, tower, dropout)
        else:
            towers = [model.tower for model in models]
            self.fusion = AlignedFusion(of_task, widths, self.front.width, towers)

    def load_components(self, pool: Pool) -> None:
        """Take over the trained weights; ModelFileError if they don't fit the components."""
        parts = {"levels": self.components.members}
        if isinstance(self.fusion, AlignedFusion):
            parts["tower"] = self.fusion.towers
        try:
            for part, modules in parts.items():
                for number, module in enumerate(modules):
                    module.load_state_dict(pool.part(number, part))
        except RuntimeError as error:
            raise ModelFileError(
                f"the pool's tensors don't fit its description: {error}",
                next_step="dvc repro --force decompose",
            ) from error

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, T]."""
        x = self.front(dense, sparse)
        logits: Tensor = self.fusion(x, (dense, sparse), self.components)
        return logits


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
