"""Settings of boosted trees."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from emm.config.binding import Count, NotNegative, Positive


@dataclass(frozen=True)
class Boosting:
    """How to boost.

    Attributes:
        learning_rate: shrinkage.
        max_iterations: trees per task at most.
        max_leaf_nodes: leaves per tree at most.
        min_samples_leaf: rows per leaf at least.
        l2_regularization: of the leaf values.
        patience: trees without a better validation score before boosting stops.
    """

    learning_rate: Positive = 0.05
    max_iterations: Count = 500
    max_leaf_nodes: Annotated[int, Field(ge=2)] = 31
    min_samples_leaf: Count = 20
    l2_regularization: NotNegative = 0.0
    patience: Count = 50
