"""Take the trained models of a dataset apart into components, seed by seed."""

from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.fusion.factories import trusting
from emm.params import PARAMS_FILE, load_params
from emm.training.decompose import decompose
from emm.training.workbench import set_up


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Decompose DATASET's trained models: data/models -> data/components/DATASET/RECIPE."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    paths = params.paths(dataset)
    bench = set_up(paths.processed, params.recipe, chosen.training, params.data.memory_gib)
    networks = chosen.fusion.networks or params.trained
    folders = {name: paths.model(name) for name in networks}
    trees = {name: paths.model(name) for name in chosen.fusion.trees}
    with atomic_folder(paths.components) as out, trusting(chosen.fusion.factories):
        decompose(out, bench, folders, trees, chosen.fusion, chosen.training.seeds)


if __name__ == "__main__":
    stage(main)()
