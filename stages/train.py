"""Train a network that learns all tasks together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from emm.config.project import PARAMS_FILE
from emm.training.settings import OptimiserSettings
from emm.config import load_params
from emm.config.binding import choose
from emm.config.project import FROM_DATA, split_section
from emm.config.sections import section_of
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.models import model_class
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.data_arguments import arguments_of_data
from emm.training.fingerprint import fingerprint
from emm.training.networks import train_together


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Train the baseline MODEL on DATASET: -> data/models/DATASET/RECIPE/MODEL."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    training = chosen.training
    where = f"{dataset}.{params.recipe}.train"
    choose("model", model, params.baselines, "baselines in params.yaml", "add it there")
    section = section_of(chosen.train, model, where)
    architecture: Any = model_class(model)
    optimiser, arguments = split_section(
        section, architecture, f"{where}.{model}", OptimiserSettings, FROM_DATA
    )
    paths = params.paths(dataset)
    out = paths.model(model)
    hold(paths.lock(out), out)
    context = open_context(paths.processed, params.recipe, training, params.data.memory_gib)
    arguments |= arguments_of_data(architecture, context.schema, context.train)

    def build(_seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
        return architecture(context.inputs, len(context.schema.tasks), **arguments), arguments

    settings = {"training": training, "section": section}
    origin = fingerprint(context.device, settings, paths.training_data, [Path(__file__)])
    with checkpoints(paths, out, origin) as checkpoint, atomic_folder(out) as folder:
        train_together(
            folder, context, model, model, build, training, optimiser, checkpoint=checkpoint
        )


if __name__ == "__main__":
    stage(main)()
