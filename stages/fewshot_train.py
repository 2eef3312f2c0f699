"""Meta-train MAML's network for one kind of episodes."""

import shutil
from dataclasses import asdict

from emm.config import PARAMS_FILE, load_params
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder, write_json
from emm.core.progress import progress
from fewshot.checkpoint import Checkpoint, key_of
from fewshot.context import set_up
from fewshot.store import Description, save_network
from fewshot.train import best_point, meta_train


def main(images: str, episodes: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Learn to learn EPISODES of IMAGES: -> data/models/IMAGES/RECIPE/maml-EPISODES."""
    params = load_params(file, recipe)
    bench = set_up(params, images, episodes)
    settings, network = bench.settings, bench.fresh_network()
    with progress(bench.name, settings.training.iterations) as report:
        history = meta_train(
            network,
            bench.images[bench.split.train],
            bench.images[bench.split.validation],
            settings,
            Checkpoint(bench.checkpoint, key_of(bench.configuration)),
            report,
        )
    best = best_point(history)
    description = Description(
        name=bench.name,
        dataset=images,
        recipe=params.recipe,
        seed=settings.seed,
        images_sha256=bench.images_sha256,
        arguments=bench.arguments,
        iteration=best.iteration,
        accuracy=best.accuracy,
    )
    with atomic_folder(bench.paths.model(bench.name)) as out:
        save_network(out, network, description)
        write_json(out / "history.json", {"points": [asdict(point) for point in history]})
    shutil.rmtree(bench.checkpoint, ignore_errors=True)


if __name__ == "__main__":
    stage(main)()
