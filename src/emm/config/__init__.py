"""params.yaml as frozen dataclasses; everything wrong with it is reported at once."""

from emm.config.data import CheckSettings, PreprocessSettings, SourceSettings
from emm.config.load import (
    OTHER_ROWS,
    PARAMS_FILE,
    RECIPES,
    DatasetParams,
    Params,
    load_params,
)
from emm.config.own import CustomDataSettings, CustomTaskSettings, SplitSettings
from emm.config.recipe import (
    EvaluateSettings,
    FitOn,
    FusionSettings,
    OptimiserSettings,
    OutsideModel,
    RecipeParams,
    TrainingSettings,
)
from fewshot.settings import (
    EpisodeSettings,
    FewShotSettings,
    ImageSetSettings,
    MetaTrainingSettings,
)

__all__ = [
    "OTHER_ROWS",
    "PARAMS_FILE",
    "RECIPES",
    "CheckSettings",
    "CustomDataSettings",
    "CustomTaskSettings",
    "DatasetParams",
    "EpisodeSettings",
    "EvaluateSettings",
    "FewShotSettings",
    "FitOn",
    "FusionSettings",
    "ImageSetSettings",
    "MetaTrainingSettings",
    "OptimiserSettings",
    "OutsideModel",
    "Params",
    "PreprocessSettings",
    "RecipeParams",
    "SourceSettings",
    "SplitSettings",
    "TrainingSettings",
    "load_params",
]
