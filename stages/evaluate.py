"""Score one row of the table on the test split, which no other stage reads for its labels' sake."""

from emm.config import PARAMS_FILE, load_params
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.evaluation.evaluate import evaluate
from emm.fusion.factories import trusting


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Evaluate MODEL on DATASET's test split: -> data/evaluation/DATASET/RECIPE/MODEL."""
    params = load_params(file, recipe)
    section, chosen = params.dataset(dataset), params.recipe_of(dataset)
    training = chosen.training
    paths = params.paths(dataset)
    hold(paths.lock(paths.evaluation(model)), paths.evaluation(model))
    with atomic_folder(paths.evaluation(model)) as out, trusting(chosen.fusion.factories):
        evaluate(
            paths.model(model),
            paths.processed,
            out,
            name=model,
            seeds=training.seeds,
            bins=section.evaluate.calibration_bins,
            device=training.device,
            threads=training.threads,
            deterministic=training.deterministic,
            memory_gib=params.data.memory_gib,
            gauc_key=section.evaluate.gauc_key,
        )


if __name__ == "__main__":
    stage(main)()
