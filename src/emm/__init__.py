"""EMM: trained single-task models, taken apart and fused into one multi-task model.

import emm

data = emm.load_dataset("data/processed/census-income")
model = emm.fit(data, "mmoe", max_epochs=5)
print(emm.evaluate(model, data))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emm.api.datasets import Dataset, load_dataset
    from emm.api.fusion import Components, decompose, fuse
    from emm.api.models import Model, evaluate, fit, load
    from emm.models import MODELS
    from emm.predict.predictor import Predictor

_HOMES = {
    "Dataset": "emm.api.datasets",
    "load_dataset": "emm.api.datasets",
    "Components": "emm.api.fusion",
    "decompose": "emm.api.fusion",
    "fuse": "emm.api.fusion",
    "Model": "emm.api.models",
    "evaluate": "emm.api.models",
    "fit": "emm.api.models",
    "load": "emm.api.models",
    "MODELS": "emm.models",
    "Predictor": "emm.predict.predictor",
}

__all__ = [
    "MODELS",
    "Components",
    "Dataset",
    "Model",
    "Predictor",
    "decompose",
    "evaluate",
    "fit",
    "fuse",
    "load",
    "load_dataset",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the command line needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'emm' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
