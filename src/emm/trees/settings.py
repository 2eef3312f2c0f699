"""Settings of boosted trees."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from emm.config.binding import Count, NotNegative, Positive


@dataclass(frozen=True)
class BoostingSettings:
    """Settings of boosting.

    Attributes:
        learning_rate: shrinkage.
        max_iterations: largest number of trees per task.
        max_leaf_nodes: largest number of leaves per tree.
        min_samples_leaf: smallest number of rows per leaf.
        l2_regularization: of the leaf values.
        patience: trees without a better validation score before boosting stops.
    """

    learning_rate: Positive = 0.05
    max_iterations: Count = 500
    max_leaf_nodes: Annotated[int, Field(ge=2)] = 31
    min_samples_leaf: Count = 20
    l2_regularization: NotNegative = 0.0
    patience: Count = 50
