"""Train the boosted trees that people would otherwise use, one ensemble a task."""

from dataclasses import replace

from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.models.gbdt import Boosting
from emm.params import PARAMS_FILE, load_params
from emm.sections import bind_section, section_of
from emm.training.trees import train_trees
from emm.training.workbench import set_up


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Boost trees for every task of DATASET: -> data/models/DATASET/RECIPE/gbdt."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    training = chosen.training
    where = f"{dataset}.{params.recipe}.train"
    section = section_of(chosen.train, "gbdt", where)
    boosting: Boosting = bind_section(section, Boosting, f"{where}.gbdt")
    paths = params.paths(dataset)
    bench = set_up(
        paths.processed, params.recipe, replace(training, device="cpu"), params.data.memory_gib
    )
    with atomic_folder(paths.model("gbdt")) as out:
        train_trees(out, bench, boosting, training.seeds, chosen.fusion)


if __name__ == "__main__":
    stage(main)()
