"""Rules of the package torchjd, imported only where one of them is asked for."""

from importlib import import_module
from typing import Any

from torch import Tensor

from emm.core.errors import ParamsError
from emm.training.weighting.shared import SharedGradients


class TorchJDRule(SharedGradients):
    """A rule whose weights are those of a class of ``torchjd.aggregation`` with mean 1 / k."""

    def __init__(self, tasks: int, name: str, **arguments: Any) -> None:
        super().__init__(tasks)
        self.rule = torchjd_weighting(name, **arguments)

    def weigh(self, products: Tensor, tasks: Tensor) -> Tensor:
        """products [k, k], tasks [k] -> [k]."""
        weights: Tensor = self.rule(products)
        return len(tasks) * weights


def torchjd_weighting(name: str, **arguments: Any) -> Any:
    """The weighting called ``name``, from dot products [k, k] to weights [k].

    Raises ParamsError if torchjd or one of its solvers isn't installed.
    """
    try:
        return getattr(import_module("torchjd.aggregation"), name)(**arguments)
    except ImportError as error:
        raise ParamsError(
            "this weighting rule needs the package torchjd and its solvers, which aren't installed",
            where="weighting.rule",
            got=str(error),
            expected="the extra `torchjd` of this project",
            next_step='pip install -e ".[torchjd]"',
        ) from error
