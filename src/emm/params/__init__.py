"""params.yaml as frozen dataclasses; everything wrong with it is reported at once."""

from emm.params.data import CheckParams, PreprocessParams, SourceParams
from emm.params.few_shot import FewShotParams, ImageSetParams, MetaParams, MetaTrainingParams
from emm.params.load import (
    OTHER_ROWS,
    PARAMS_FILE,
    RECIPES,
    DatasetParams,
    Params,
    load_params,
)
from emm.params.own import OwnTaskParams, SplitParams, TableParams
from emm.params.recipe import (
    EvaluateParams,
    FitOn,
    FusionParams,
    OptimiserParams,
    OutsideModel,
    RecipeParams,
    TrainingParams,
)

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
