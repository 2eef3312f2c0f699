"""Settings of boosted trees, one class for each library; common settings have the same names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from emm.config.binding import Count, NotNegative, Positive, bind, raise_all
from emm.core.errors import choose
from emm.training.part_settings import Part

SomeOf = Annotated[float, Field(gt=0, le=1)]
Leaves = Annotated[int, Field(ge=2)]


@dataclass(frozen=True)
class LightGBMSettings(Part):
    """Settings of LightGBM.

    Attributes:
        learning_rate: shrinkage.
        max_iterations: largest number of rounds per task.
        max_leaf_nodes: largest number of leaves per tree.
        min_samples_leaf: smallest number of rows per leaf.
        l2_regularization: of the leaf values.
        patience: rounds without a better validation score before boosting stops.
        columns_per_tree: share of the columns that each tree may read.
        rows_per_tree: share of the rows on which each tree learns.
        category_smoothing: added to the weight of each id where a field's ids are ordered by their
            mean gradients; an id with fewer rows in the node is in no set.
        category_l2: regularisation of leaf values next to that of all splits, for splits by sets.
        min_samples_category: smallest number of rows with the ids that a set grows by.
    """

    learning_rate: Positive = 0.03
    max_iterations: Count = 2000
    max_leaf_nodes: Leaves = 31
    min_samples_leaf: Count = 20
    l2_regularization: NotNegative = 0.0
    patience: Count = 100
    columns_per_tree: SomeOf = 0.4
    rows_per_tree: SomeOf = 0.8
    category_smoothing: NotNegative = 50.0
    category_l2: NotNegative = 10.0
    min_samples_category: Count = 100
    library: Literal["lightgbm"] = "lightgbm"


@dataclass(frozen=True)
class ScikitLearnSettings(Part):
    """Settings of scikit-learn's histogram-based boosting; see `LightGBMSettings`."""

    learning_rate: Positive = 0.05
    max_iterations: Count = 500
    max_leaf_nodes: Leaves = 31
    min_samples_leaf: Count = 20
    l2_regularization: NotNegative = 0.0
    patience: Count = 50
    library: Literal["scikit-learn"] = "scikit-learn"


@dataclass(frozen=True)
class CatBoostSettings(Part):
    """Settings of CatBoost; for the others see `LightGBMSettings`.

    Attributes:
        depth: of the symmetric trees, whose levels have one split each.
        columns_per_split: share of the columns that each level may read.
        random_strength: of the noise in the scores of splits, which falls from round to round.
    """

    learning_rate: Positive = 0.05
    max_iterations: Count = 2000
    depth: Annotated[int, Field(ge=1, le=10)] = 6
    l2_regularization: NotNegative = 3.0
    patience: Count = 100
    rows_per_tree: SomeOf = 0.8
    columns_per_split: SomeOf = 1.0
    random_strength: NotNegative = 1.0
    library: Literal["catboost"] = "catboost"


BoostingSettings: TypeAlias = LightGBMSettings | ScikitLearnSettings | CatBoostSettings

LIBRARIES: Mapping[str, type[BoostingSettings]] = {
    "lightgbm": LightGBMSettings,
    "scikit-learn": ScikitLearnSettings,
    "catboost": CatBoostSettings,
}
"""The settings of each library; the first one is the default."""

DEFAULT = next(iter(LIBRARIES))


def library_of(section: Any) -> str:
    """The library that a plain section of boosted trees names."""
    given = section if isinstance(section, Mapping) else {}
    return str(given.get("library", DEFAULT))


def read_boosting(section: Any, key: str, file: str) -> BoostingSettings:
    """The plain section at ``key`` of ``file`` as the settings of its library.

    Raises one ParamsError that lists everything wrong with it.
    """
    library = library_of(section)
    choose("library", library, LIBRARIES, f"{file}: {key}.library", f"write `library: {DEFAULT}`")
    errors: list[str] = []
    settings: BoostingSettings = bind(LIBRARIES[library], section or {}, key, errors)
    raise_all(errors, file)
    return settings
