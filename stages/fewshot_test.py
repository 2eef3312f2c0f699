"""Evaluate a meta-trained network on the test characters, which no other stage reads."""

import shutil
from dataclasses import asdict

from safetensors.torch import save_file

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder, write_json
from fewshot.context import open_context
from fewshot.store import load_network
from fewshot.testing import EVALUATION, SHOWN, meta_test


def main(images: str, episodes: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Evaluate EPISODES of IMAGES: -> data/evaluation/IMAGES/RECIPE/maml-EPISODES."""
    context = open_context(load_project(file, recipe), images, episodes)
    model = context.paths.model(context.name)
    network, description = load_network(model, context.images_sha256)
    test = context.images[context.split.test]
    accuracies, shown = meta_test(
        network.to(context.device), context.fresh_network(), test, context.settings
    )
    with atomic_folder(context.paths.evaluation(context.name)) as out:
        about = {
            "episodes": episodes,
            "accuracies": accuracies,
            "settings": asdict(context.settings),
            "characters": {part: len(each) for part, each in vars(context.split).items()},
            "parameters": sum(value.numel() for value in network.parameters()),
            "best_iteration": description.iteration,
            "validation_accuracy": description.accuracy,
        }
        write_json(out / EVALUATION, about)
        save_file(shown, out / SHOWN)
        shutil.copy(model / "history.json", out / "history.json")


if __name__ == "__main__":
    stage(main)()
