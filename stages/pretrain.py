"""Train the single-task models of one structure: one a task and seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from emm.config.project import PARAMS_FILE
from emm.training.settings import OptimiserSettings
from emm.config import load_params
from emm.config.sections import section_of
from emm.config.project import split_section
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.models.single_task import SingleTask
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.fingerprint import fingerprint
from emm.training.networks import train_single


def main(
    dataset: str, structure: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None
) -> None:
    """Train STRUCTURE's model of each task: -> data/models/DATASET/RECIPE/STRUCTURE."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    training = chosen.training
    where = f"{dataset}.{params.recipe}.pretrain"
    section = section_of(chosen.pretrain, structure, where)
    optimiser, arguments = split_section(
        section, SingleTask, f"{where}.{structure}", OptimiserSettings
    )
    paths = params.paths(dataset)
    out = paths.model(structure)
    hold(paths.lock(out), out)
    context = open_context(paths.processed, params.recipe, training, params.data.memory_gib)

    def build(_seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
        return SingleTask(context.inputs, **arguments), arguments

    settings = {"training": training, "section": section, "fusion": chosen.fusion}
    origin = fingerprint(context.device, settings, paths.training_data, [Path(__file__)])
    with checkpoints(paths, out, origin) as checkpoint, atomic_folder(out) as folder:
        train_single(
            folder,
            context,
            structure,
            build,
            training,
            optimiser,
            chosen.fusion,
            checkpoint=checkpoint,
        )


if __name__ == "__main__":
    stage(main)()
