"""Train the boosted trees that people would otherwise use, one ensemble a task."""

from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.models.gbdt import Boosting
from emm.params import load_params
from emm.sections import bind_section, section_of
from emm.training.trees import train_trees
from emm.training.workbench import set_up


def main(dataset: str) -> None:
    """Boost trees for every task of DATASET: -> data/models/DATASET/RECIPE/gbdt."""
    params = load_params()
    recipe = params.recipe_of(dataset)
    training = recipe.training
    where = f"{dataset}.{params.recipe}.train"
    section = section_of(recipe.train, "gbdt", where)
    boosting: Boosting = bind_section(section, Boosting, f"{where}.gbdt")
    paths = Paths(dataset, params.recipe)
    bench = set_up(paths.processed, params.recipe, "cpu", training.threads)
    with atomic_folder(paths.model("gbdt")) as out:
        train_trees(out, bench, boosting, training.seeds)


if __name__ == "__main__":
    stage(main)()
