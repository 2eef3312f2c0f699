"""Train the single-task models of one structure: one a task and seed."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.models.single_task import SingleTask
from emm.params import load_params
from emm.sections import section_of, split_section
from emm.training.networks import train_single
from emm.training.workbench import set_up


def main(dataset: str, structure: str) -> None:
    """Train STRUCTURE's model of each task: -> data/models/DATASET/RECIPE/STRUCTURE."""
    params = load_params()
    recipe = params.recipe_of(dataset)
    training = recipe.training
    where = f"{dataset}.{params.recipe}.pretrain"
    section = section_of(recipe.pretrain, structure, where)
    optimiser, arguments = split_section(section, SingleTask, f"{where}.{structure}")
    paths = Paths(dataset, params.recipe)
    bench = set_up(paths.processed, params.recipe, training.device, training.threads)

    def build(_seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
        return SingleTask(bench.inputs, **arguments), arguments

    with atomic_folder(paths.model(structure)) as out:
        train_single(out, bench, structure, build, training, optimiser)


if __name__ == "__main__":
    stage(main)()
