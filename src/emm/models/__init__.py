"""Models that learn all tasks together, one file a paper, and the single-task network.

``MODELS`` names the class of each, to be imported when it is needed: a command that shows its
help, or a stage that trains one of them, doesn't load the others. A name is its module's name,
so that a stage can depend on the one file it uses.
"""

from importlib import import_module

from torch import nn

MODELS = {
    "single_task": "emm.models.single_task:SingleTask",
    "shared_bottom": "emm.models.shared_bottom:SharedBottom",
    "mmoe": "emm.models.mmoe:MMoE",
    "ple": "emm.models.ple:PLE",
    "aitm": "emm.models.aitm:AITM",
    "adatt": "emm.models.adatt:AdaTT",
    "esmm": "emm.models.esmm:ESMM",
    "escm2": "emm.models.escm2:ESCM2",
    "stem": "emm.models.stem:STEM",
    "automtl": "emm.automtl.network:AutoMTL",
    "gbdt": "emm.trees.gbdt:GradientBoosting",
    "emm": "emm.fusion.emm:EMM",
}


def model_class(name: str) -> type[nn.Module]:
    """The class registered under ``name`` (KeyError if there is none)."""
    module, _, attribute = MODELS[name].partition(":")
    found: type[nn.Module] = getattr(import_module(module), attribute)
    return found
