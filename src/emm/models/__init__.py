"""Multi-task models, one file per paper, and the single-task network that is cut into components.

``MODELS`` maps the name of a model to its class, which is imported only when it is needed: showing
a command's help or training one model doesn't load the others. A name is that of the class's
module, so that a stage can depend on this one file.

The data supplies the argument ``outputs``: the number of logits of each task, () if each has one;
O is their sum.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

MODELS = {
    "single_task": "emm.models.single_task:SingleTask",
    "tabm": "emm.structures.tabm:TabM",
    "dcnv2": "emm.structures.dcnv2:DCNV2",
    "realmlp": "emm.structures.realmlp:RealMLP",
    "ft_transformer": "emm.structures.ft_transformer:FTTransformer",
    "shared_bottom": "emm.models.shared_bottom:SharedBottom",
    "mmoe": "emm.models.mmoe:MMoE",
    "ple": "emm.models.ple:PLE",
    "aitm": "emm.models.aitm:AITM",
    "adatt": "emm.models.adatt:AdaTT",
    "esmm": "emm.models.esmm:ESMM",
    "escm2": "emm.models.escm2:ESCM2",
    "stem": "emm.models.stem:STEM",
    "cross_stitch": "emm.models.cross_stitch:CrossStitchNetwork",
    "sluice": "emm.models.sluice:SluiceNetwork",
    "home": "emm.models.home:HoME",
    "resflow": "emm.models.resflow:ResFlow",
    "ektm": "emm.models.ektm:EKTM",
    "automtl": "emm.automtl.network:AutoMTL",
    "gbdt": "emm.trees.gbdt:GradientBoosting",
    "emm": "emm.fusion.emm:EMM",
}


def model_class(name: str) -> "type[nn.Module]":
    """The class registered under ``name`` (KeyError if there is none)."""
    module, _, attribute = MODELS[name].partition(":")
    found: type[nn.Module] = getattr(import_module(module), attribute)
    return found
