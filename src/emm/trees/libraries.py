"""The libraries that boost trees, each in a module of its own that is imported when it is used."""

from importlib import import_module
from typing import Any, Protocol

from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.history import BoostingHistory
from emm.trees.task_rows import TaskRows

MODULES = {
    "lightgbm": "emm.trees.boost_lightgbm",
    "scikit-learn": "emm.trees.boost_sklearn",
    "catboost": "emm.trees.boost_catboost",
}


class Library(Protocol):
    """What a module provides; ``boosting`` are the settings of its library.

    The same rows, settings and ``seed`` give the same bytes, whatever ``threads`` is.
    """

    def boost(
        self,
        rows: TaskRows,
        held_out: TaskRows,
        inputs: Inputs,
        boosting: Any,
        seed: int,
        threads: int,
    ) -> tuple[TreeEnsemble, BoostingHistory]:
        """The trees of one task up to the first best score on ``held_out``."""

    def regrow(
        self,
        rows: TaskRows,
        inputs: Inputs,
        boosting: Any,
        rounds: int,
        seed: int,
        threads: int,
    ) -> TreeEnsemble:
        """As many ``rounds`` of trees, without rows to stop by."""


def library(name: str) -> Library:
    """The module of a library."""
    module: Any = import_module(MODULES[name])
    found: Library = module
    return found
