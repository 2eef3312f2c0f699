"""What a recipe holds: the training protocol, the sections of the models, and the fusion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from emm.config.binding import Count, NotNegative, OneOf, Positive, Range, Share


@dataclass(frozen=True)
class EvaluateSettings:
    """``calibration_bins``: bins of equal width of the expected calibration error; ``gauc_key``:
    the column, such as the user, within whose values the GAUC ranks; null for no GAUC."""

    calibration_bins: Count
    gauc_key: str | None = None


@dataclass(frozen=True)
class TrainingSettings:
    """The protocol that every model of a recipe shares.

    ``patience`` counts epochs, ``threads`` are the processor threads of one training run.
    ``optimiser``: adam, adamw or lazy-adam; ``lr_schedule``: constant or one-cycle;
    ``ema_decay``: decay per step of averaged weights, 0 for none. ``sample_weights``: weigh train
    rows in the loss as the dataset says. ``deterministic``: the same bits on CUDA too.
    ``vectorised``: a stage's models of one shape train in one pass (`emm.training.vectorised`).
    ``compile`` the steps: never, auto (where it is measured to pay) or always; ``precision`` of
    matrix products in training: float32, tf32 or bfloat16.
    """

    seeds: tuple[Annotated[int, Range(0)], ...]
    batch_size: Annotated[int, Range(2)]
    max_epochs: Count
    patience: Count
    device: str
    threads: Count
    optimiser: Annotated[str, OneOf("adam", "adamw", "lazy-adam")] = "adam"
    lr_schedule: Annotated[str, OneOf("constant", "one-cycle")] = "constant"
    ema_decay: Share = 0.0
    sample_weights: bool = False
    deterministic: bool = False
    vectorised: bool = False
    compile: Annotated[str, OneOf("never", "auto", "always")] = "never"
    precision: Annotated[str, OneOf("float32", "tf32", "bfloat16")] = "float32"


@dataclass(frozen=True)
class OptimiserSettings:
    """The optimiser's step size and weight decay, and how the tasks' losses are weighed: the
    ``rule`` of `emm.training.weighting` with its arguments."""

    learning_rate: Positive
    weight_decay: NotNegative
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"rule": "equal"})


FitOn = Annotated[str, OneOf("train", "out-of-fold", "held-out")]


@dataclass(frozen=True)
class OutsideModel:
    """A trained model from outside: its task, and what it is made from.

    A network: ``factory``, the function that builds it, and its ``weights``; ``tower`` names the
    module that turns the last hidden layer into the logit, by default the last layer with weights.
    Boosted trees: ``trees``, the file that LightGBM or XGBoost saved.
    """

    task: str
    factory: str | None = None
    weights: str | None = None
    tower: str | None = None
    trees: str | None = None


@dataclass(frozen=True)
class FusionSettings:
    """What the fused models are made of, and on which rows they learn.

    ``pool``: models from outside, beside the pipeline's own; ``networks``: those of ``trained``, by
    default all; ``trees``: rows of boosted trees that join them; ``adapter``: ``linear`` cuts
    networks of different widths alike and learns what fits them together.

    ``fit_on``: ``train``, all rows with what the pool says of them; ``out-of-fold``, all rows with
    what models say that haven't seen them, each trained without one of ``folds`` parts;
    ``held-out``, the first of these parts alone, on which then no trained model learns.
    """

    pool: tuple[OutsideModel, ...]
    networks: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    adapter: Annotated[str, OneOf("linear")] | None = None
    fit_on: FitOn = "train"
    folds: Annotated[int, Range(2)] = 5

    @property
    def factories(self) -> tuple[str, ...]:
        """The code that the pool's models need."""
        return tuple(model.factory for model in self.pool if model.factory)


@dataclass(frozen=True)
class RecipeParams:
    """One set of hyper-parameters: a section per trained-model structure and per model.

    The sections' keys are bound to the model's own signature by the stage that builds it.
    ``search``: how the architectures of searched models are looked for.
    """

    training: TrainingSettings
    pretrain: Mapping[str, Mapping[str, Any]]
    fusion: FusionSettings
    train: Mapping[str, Mapping[str, Any]]
    search: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
