"""Score a model on the test split, which no other stage reads for its labels."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.evaluation.evaluate import evaluate
from emm.evaluation.settings import EvaluateSettings
from emm.fusion.settings import FusionSettings
from emm.outside.factories import trusting
from emm.training.settings import TrainingSettings


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Evaluate MODEL on DATASET's test split: -> data/evaluation/DATASET/RECIPE/MODEL."""
    project = load_project(file, recipe)
    settings = project.data(dataset).read("evaluate", EvaluateSettings)
    training = project.recipe(dataset).read("training", TrainingSettings)
    fusion = project.recipe(dataset).read("fusion", FusionSettings)
    paths = project.paths(dataset)
    hold(paths.lock(paths.evaluation(model)), paths.evaluation(model))
    with atomic_folder(paths.evaluation(model)) as out, trusting(fusion.factories):
        evaluate(
            paths.model(model),
            paths.processed,
            out,
            name=model,
            seeds=training.seeds,
            bins=settings.calibration_bins,
            device=training.device,
            threads=training.threads,
            deterministic=training.deterministic,
            portable=training.portable,
            memory_gib=project.active.memory_gib,
            gauc_key=settings.gauc_key,
            sample_weights=settings.sample_weights,
        )


if __name__ == "__main__":
    stage(main)()
