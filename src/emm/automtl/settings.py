"""Settings of architecture search, and of the training of searched architectures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from emm.config.binding import Count, NotNegative, Positive, Share
from emm.training.settings import OptimiserSettings

Certainty = Literal["weight", "entropy"]


@dataclass(frozen=True)
class Budget:
    """Limits of the searched model, counted as in evaluation.

    Attributes:
        parameters: learned parameters, including embeddings.
        operations: multiplications and additions of the matrix products that predict one row.
        weight: of the expected excess, as a share of the budget, in the architecture's loss.
    """

    parameters: Count | None = None
    operations: Count | None = None
    weight: Positive = 1.0


@dataclass(frozen=True)
class SearchSettings:
    """A search by PD-DARTS; the arguments of the supernet are in the same section.

    Attributes:
        seed: of the search.
        batch_size: rows per step.
        warm_up: epochs in which only weights learn.
        joint: epochs in which the architecture learns, too.
        discretised: choices that are fixed per epoch after these, until none is open.
        learning_rate: of the weights.
        weight_decay: of the weights.
        architecture_learning_rate: of the architecture.
        architecture_weight_decay: of the architecture.
        open_gates: until when all gates are open in training, and not drawn.
        certainty: of a choice, by which the next to be fixed is chosen: the largest weight of its
            candidates, or the entropy of their weights.
        selection_weight: of the mean probability of all gates, in the architecture's loss.
        folds: the architecture learns on one of these parts of train, weights on the others; with
            1, both learn on all rows, in the same steps.
        sample: the share of train that is used.
        sample_weights: weigh the rows of train in the loss as the dataset says.
        positive_weight: factor of the losses of positive rows, by binary task.
        budget: limits of the searched model.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 2048
    warm_up: Annotated[int, Field(ge=0)] = 2
    joint: Annotated[int, Field(ge=0)] = 3
    discretised: Count = 10
    learning_rate: Positive = 0.001
    weight_decay: NotNegative = 0.0
    architecture_learning_rate: Positive = 0.001
    architecture_weight_decay: NotNegative = 0.0
    open_gates: Literal["never", "warm-up", "always"] = "never"
    certainty: Certainty = "weight"
    selection_weight: NotNegative = 0.0
    folds: Count = 2
    sample: Annotated[Share, Field(gt=0, le=1)] = 1.0
    sample_weights: bool = False
    positive_weight: Mapping[str, Positive] = field(default_factory=dict)
    budget: Budget | None = None


@dataclass(frozen=True)
class SearchedSettings(OptimiserSettings):
    """How a searched architecture is trained.

    Attributes:
        start: ``scratch`` with fresh weights, or ``search`` with the weights of the search.
        max_epochs: at most this many; null: those of ``training``.
    """

    start: Literal["scratch", "search"] = "scratch"
    max_epochs: Count | None = None
