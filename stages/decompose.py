"""Take the trained models of a dataset apart into components, seed by seed."""

from pathlib import Path

from emm.config.project import PARAMS_FILE
from emm.config import load_params
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.fusion.decompose import decompose
from emm.fusion.factories import trusting
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.fingerprint import fingerprint


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Decompose DATASET's trained models: data/models -> data/components/DATASET/RECIPE."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    paths = params.paths(dataset)
    out = paths.components
    hold(paths.lock(out), out)
    context = open_context(paths.processed, params.recipe, chosen.training, params.data.memory_gib)
    networks = chosen.fusion.networks or params.trained
    folders = {name: paths.model(name) for name in networks}
    trees = {name: paths.model(name) for name in chosen.fusion.trees}
    given = [
        Path(path) for each in chosen.fusion.pool for path in (each.weights, each.trees) if path
    ]
    origin = fingerprint(
        context.device,
        {"training": chosen.training, "fusion": chosen.fusion, "networks": sorted(folders)},
        [*paths.training_data, *folders.values(), *trees.values(), *given],
        [Path(__file__), Path("pool")],
    )
    with (
        checkpoints(paths, out, origin) as checkpoint,
        atomic_folder(out) as folder,
        trusting(chosen.fusion.factories),
    ):
        seeds = chosen.training.seeds
        decompose(folder, context, folders, trees, chosen.fusion, seeds, checkpoint)


if __name__ == "__main__":
    stage(main)()
