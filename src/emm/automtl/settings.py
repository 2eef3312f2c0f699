"""How a search goes: its section of the recipe, next to the arguments of the supernet."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from emm.config.binding import Count, NotNegative, Positive, Share
from emm.training.settings import OptimiserSettings


@dataclass(frozen=True)
class Budget:
    """What the found model may have at most, as evaluation counts it: learned ``parameters``,
    embeddings included, and ``operations``, multiplications and additions of the matrix products
    for one row's prediction. ``weight``: of the expected excess, as a share of the budget, in the
    loss that the architecture learns by."""

    parameters: Count | None = None
    operations: Count | None = None
    weight: Positive = 1.0


@dataclass(frozen=True)
class SearchSettings:
    """PD-DARTS. ``warm_up``: epochs in which weights alone learn; ``joint``: epochs in which the
    architecture learns, too; after them the most certain choices of operators are fixed,
    ``discretised`` in an epoch, spread over it, until none is open.

    ``folds``: the architecture learns on one of so many parts of train, weights on the others;
    ``sample``: the share of train that is read at all; ``sample_weights``: weigh its rows in the
    loss as the dataset says. ``selection_weight``: of the mean
    probability of all gates, in the loss that the architecture learns by.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 2048
    warm_up: Annotated[int, Field(ge=0)] = 2
    joint: Annotated[int, Field(ge=0)] = 3
    discretised: Count = 10
    learning_rate: Positive = 0.001
    weight_decay: NotNegative = 0.0
    architecture_learning_rate: Positive = 0.001
    selection_weight: NotNegative = 0.0
    folds: Annotated[int, Field(ge=2)] = 2
    sample: Annotated[Share, Field(gt=0, le=1)] = 1.0
    sample_weights: bool = False
    budget: Budget | None = None


@dataclass(frozen=True)
class SearchedSettings(OptimiserSettings):
    """How a found architecture is trained: ``start`` from ``scratch``, with fresh weights, or with
    those that the ``search`` ended with, for at most ``max_epochs`` (by default as every model)."""

    start: Literal["scratch", "search"] = "scratch"
    max_epochs: Count | None = None
