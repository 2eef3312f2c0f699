"""Rules that combine the losses of T tasks into one gradient, one file per rule.

The keyword-only arguments of a rule's class are its hyper-parameters. ``equal``, the mean of the
losses, is the baseline.
"""

from collections.abc import Mapping
from typing import Any

from emm.config.binding import bind_keywords, raise_all
from emm.core.errors import choose
from emm.training.weighting.aligned_mtl import AlignedMTL
from emm.training.weighting.base import Weighting
from emm.training.weighting.cagrad import CAGrad
from emm.training.weighting.dwa import DynamicWeightAverage
from emm.training.weighting.equal import Equal
from emm.training.weighting.famo import FAMO
from emm.training.weighting.fixed import Fixed
from emm.training.weighting.geometric import Geometric
from emm.training.weighting.gradnorm import GradNorm
from emm.training.weighting.gradvac import GradVac
from emm.training.weighting.imtl_g import ImpartialGradients
from emm.training.weighting.imtl_l import ImpartialLosses
from emm.training.weighting.mgda import MGDA
from emm.training.weighting.nash_mtl import NashMTL
from emm.training.weighting.pcgrad import PCGrad
from emm.training.weighting.random import RandomWeighting
from emm.training.weighting.stch import SmoothTchebycheff
from emm.training.weighting.uncertainty import Uncertainty
from emm.training.weighting.upgrad import UPGrad

__all__ = ["WEIGHTINGS", "Weighting", "make_weighting", "read_weighting"]

WEIGHTINGS: Mapping[str, type[Weighting]] = {
    "equal": Equal,
    "fixed": Fixed,
    "uncertainty": Uncertainty,
    "imtl-l": ImpartialLosses,
    "dwa": DynamicWeightAverage,
    "random": RandomWeighting,
    "geometric": Geometric,
    "stch": SmoothTchebycheff,
    "famo": FAMO,
    "gradnorm": GradNorm,
    "pcgrad": PCGrad,
    "imtl-g": ImpartialGradients,
    "mgda": MGDA,
    "cagrad": CAGrad,
    "nash-mtl": NashMTL,
    "aligned-mtl": AlignedMTL,
    "gradvac": GradVac,
    "upgrad": UPGrad,
}


def make_weighting(tasks: int, /, rule: str = "equal", **arguments: Any) -> Weighting:
    """The rule called ``rule`` for ``tasks`` tasks; ``arguments`` are its hyper-parameters.

    Raises ParamsError for an unknown rule, and for all invalid arguments at once.
    """
    bound = read_weighting(rule, **arguments)
    return WEIGHTINGS[rule](tasks, **bound)


def read_weighting(rule: str = "equal", **arguments: Any) -> dict[str, Any]:
    """All arguments of the rule, with defaults; raises what `make_weighting` raises for them."""
    choose(
        "weighting rule",
        str(rule),
        WEIGHTINGS,
        "weighting.rule of the model's section",
        "correct it",
    )
    errors: list[str] = []
    bound = bind_keywords(WEIGHTINGS[rule], arguments, "weighting", errors)
    raise_all(errors, "the section of the model")
    return bound
