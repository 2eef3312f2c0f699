"""Settings of fusion: what the pool consists of, and how a fused model starts and learns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from emm.config.binding import Count, Positive
from emm.core.errors import ParamsError
from emm.outside.settings import OutsideModels
from emm.training.settings import OptimiserSettings, PoolSettings

Variant = Literal["paper", "aligned", "ensemble", "stacked"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

Projections = Literal["activated", "linear", "linear-no-bias"]
"""What Q, K and V of a merge are: a linear layer and ReLU, or the layer with or without a bias."""

PROJECTIONS: Mapping[Variant, Projections] = {
    "paper": "activated",
    "aligned": "linear",
    "ensemble": "linear",
    "stacked": "linear",
}
"""Those of each variant unless its section names others. In ``aligned``, V starts at zero, from
where ReLU would never learn, and corrections go both ways."""


def reads_components(variant: Variant, *, merge: bool, own_paths: bool) -> bool:
    """Whether a variant reads components of networks, and not only the members' logits."""
    return variant == "paper" or (variant == "aligned" and (merge or not own_paths))


StartWeights = Literal["trained", "fresh"]


@dataclass(frozen=True)
class FusionSettings(PoolSettings):
    """What the pool consists of, and the rows on which fused models learn.

    ``pool``: models from outside by name, in addition to the pipeline's own; ``adapter``:
    ``linear`` cuts networks of different widths, too, and learns linear maps between the widths.
    """

    pool: OutsideModels = field(default_factory=dict)
    adapter: Literal["linear"] | None = None

    @property
    def factories(self) -> tuple[str, ...]:
        """The functions that build the pool's outside networks."""
        return tuple(model.factory for model in self.pool.values() if model.factory)


@dataclass(frozen=True)
class Start:
    """What a fused model takes over from the trained networks, and what it learns from scratch.

    ``networks``: all of their layers; ``embeddings``: those of their first layers (the published
    code discards them); ``towers``: these continue to learn unless they are ``frozen``. Raises
    ParamsError for fresh networks with frozen towers.
    """

    networks: StartWeights = "trained"
    embeddings: StartWeights = "trained"
    towers: Literal["trained", "fresh", "frozen"] = "trained"

    def __post_init__(self) -> None:
        if self.networks == "fresh" and self.towers == "frozen":
            raise ParamsError(
                "fresh networks can't have frozen towers: these would stay random",
                where="a fused model's `start`",
                next_step="set towers to fresh, or networks to trained",
            )


@dataclass(frozen=True)
class Phase:
    """A phase in which the trained networks learn, too, with its own step size."""

    learning_rate: Positive
    max_epochs: Count


StackingStep = Literal["weights", "gate", "residual"]


@dataclass(frozen=True)
class StackingSettings:
    """Which steps the variant ``stacked`` tries after the plain average of the pool.

    Attributes:
        steps: ``weights`` of the members, drawn towards the average; a ``gate``, weights that
            depend on the row; a boosted ``residual``.
        other_tasks: whether the logits of the other tasks' members are read, too: they join the
            weights and the gate, from weight 0 on; of a task of classes, only the residual reads
            them.
        few_rows: with fewer labelled rows of a task, only its weights are tried.
    """

    steps: tuple[StackingStep, ...] = ("weights", "gate", "residual")
    other_tasks: bool = False
    few_rows: Count = 2000


@dataclass(frozen=True)
class FusedSettings(OptimiserSettings):
    """How a fused model is trained.

    Attributes:
        members: of the pool; all if none is named.
        start: what it takes over.
        max_epochs: of the phase in which the networks are frozen; null: those of ``training``.
        second: a phase after that in which the networks learn, too.
        stacking: of the variant ``stacked``.
        fit_on: ``train`` learns on the pool's in-sample predictions whatever the fusion's
            ``fit_on`` is, for comparison.
    """

    members: tuple[str, ...] = ()
    start: Start = field(default_factory=Start)
    max_epochs: Count | None = None
    second: Phase | None = None
    stacking: StackingSettings = field(default_factory=StackingSettings)
    fit_on: Literal["train"] | None = None
