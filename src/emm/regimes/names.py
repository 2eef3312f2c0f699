"""Names of the methods in tables, figures and sentences."""

from collections.abc import Mapping

EMM, AVERAGE = "emm", "average"

NAMES: Mapping[str, str] = {
    EMM: "EMM",
    AVERAGE: "the average",
    "logistic": "logistic regression",
    "best": "best member",
    "routing": "routing by group",
    "bagged_trees": "bagged trees, from scratch",
    "trees": "trees, from scratch",
    "mmoe": "MMoE, from scratch",
    "shared_bottom": "shared bottom, from scratch",
}
"""In sentences, in the order of tables."""

TITLES = {name: title.removeprefix("the ") for name, title in NAMES.items()}
SHORT = {name: title.removesuffix(", from scratch") for name, title in TITLES.items()}


def in_order(methods: Mapping[str, object]) -> list[str]:
    """The methods that there are, in the order of tables."""
    return [name for name in NAMES if name in methods]
