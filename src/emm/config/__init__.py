"""params.yaml as frozen dataclasses; everything wrong with it is reported at once."""

from emm.config.data import CheckParams, PreprocessParams, SourceParams
from emm.config.load import (
    OTHER_ROWS,
    PARAMS_FILE,
    RECIPES,
    DatasetParams,
    Params,
    load_params,
)
from emm.config.own import OwnTaskParams, SplitParams, TableParams
from emm.config.recipe import (
    EvaluateParams,
    FitOn,
    FusionParams,
    OptimiserParams,
    OutsideModel,
    RecipeParams,
    TrainingParams,
)
from fewshot.settings import FewShotParams, ImageSetParams, MetaParams, MetaTrainingParams

__all__ = [
    "OTHER_ROWS",
    "PARAMS_FILE",
    "RECIPES",
    "CheckParams",
    "DatasetParams",
    "EvaluateParams",
    "FewShotParams",
    "FitOn",
    "FusionParams",
    "ImageSetParams",
    "MetaParams",
    "MetaTrainingParams",
    "OptimiserParams",
    "OutsideModel",
    "OwnTaskParams",
    "Params",
    "PreprocessParams",
    "RecipeParams",
    "SourceParams",
    "SplitParams",
    "TableParams",
    "TrainingParams",
    "load_params",
]
