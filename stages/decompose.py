"""Take the trained models of a dataset apart into components, seed by seed."""

from pathlib import Path

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.core.progress import say
from emm.fusion.decompose import decompose
from emm.fusion.settings import FusionSettings
from emm.fusion.trained_models import own_networks
from emm.outside.factories import trusting
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.fingerprint import fingerprint
from emm.training.settings import TrainingSettings


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Decompose DATASET's trained models: data/models -> data/components/DATASET/RECIPE."""
    project = load_project(file, recipe)
    active, paths = project.active, project.paths(dataset)
    fusion = project.recipe(dataset).read("fusion", FusionSettings)
    training = project.recipe(dataset).read("training", TrainingSettings)
    out = paths.components
    hold(paths.lock(out), out)
    context = open_context(paths.processed, active.recipe, training, active.memory_gib)
    networks = {name: paths.model(name) for name in own_networks(fusion, active.trained)}
    trees = {name: paths.model(name) for name in fusion.trees}
    outside = [Path(path) for each in fusion.pool.values() for path in each.files]
    outside += [paths.scores(name) for name in fusion.pool]
    origin = fingerprint(
        context.device,
        {"training": training, "fusion": fusion, "networks": sorted(networks)},
        [*paths.training_data, *networks.values(), *trees.values(), *outside],
        [Path(__file__), Path("pool")],
    )
    with (
        checkpoints(paths, out, origin) as checkpoint,
        atomic_folder(out) as folder,
        trusting(fusion.factories),
    ):
        if networks or trees or fusion.pool:
            decompose(
                folder,
                context,
                networks,
                trees,
                fusion,
                training.seeds,
                checkpoint,
                scores=paths.scores(),
            )
        else:
            say("nothing to decompose: `trained`, `fusion.trees` and `fusion.pool` are empty")


if __name__ == "__main__":
    stage(main)()
