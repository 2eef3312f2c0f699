"""Meta-train a network with MAML on one kind of episodes."""

import shutil
from dataclasses import asdict

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder, write_json
from emm.core.progress import progress
from fewshot.checkpoint import Checkpoint, key_of
from fewshot.context import open_context
from fewshot.store import Description, save_network
from fewshot.train import best_point, meta_train


def main(images: str, episodes: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Meta-train on EPISODES of IMAGES: -> data/models/IMAGES/RECIPE/maml-EPISODES."""
    project = load_project(file, recipe)
    context = open_context(project, images, episodes)
    settings, network = context.settings, context.fresh_network()
    with progress(context.name, settings.training.iterations) as report:
        history = meta_train(
            network,
            context.images[context.split.train],
            context.images[context.split.validation],
            settings,
            Checkpoint(context.checkpoint, key_of(context.configuration)),
            report,
        )
    best = best_point(history)
    description = Description(
        name=context.name,
        dataset=images,
        recipe=project.active.recipe,
        seed=settings.seed,
        images_sha256=context.images_sha256,
        arguments=context.arguments,
        iteration=best.iteration,
        accuracy=best.accuracy,
    )
    with atomic_folder(context.paths.model(context.name)) as out:
        save_network(out, network, description)
        write_json(out / "history.json", {"points": [asdict(point) for point in history]})
    shutil.rmtree(context.checkpoint, ignore_errors=True)


if __name__ == "__main__":
    stage(main)()
