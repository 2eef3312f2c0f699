"""Score one row of the table on the test split, which no other stage reads for its labels' sake."""

from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.fusion.factories import trusting
from emm.params import load_params
from emm.training.evaluate import evaluate


def main(dataset: str, model: str) -> None:
    """Evaluate MODEL on DATASET's test split: -> data/evaluation/DATASET/RECIPE/MODEL."""
    params = load_params()
    section, recipe = params.dataset(dataset), params.recipe_of(dataset)
    training = recipe.training
    paths = Paths(dataset, params.recipe)
    with atomic_folder(paths.evaluation(model)) as out, trusting(recipe.fusion.factories):
        evaluate(
            paths.model(model),
            paths.processed,
            out,
            name=model,
            seeds=training.seeds,
            bins=section.evaluate.calibration_bins,
            device=training.device,
            threads=training.threads,
        )


if __name__ == "__main__":
    stage(main)()
