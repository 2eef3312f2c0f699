"""Train a network that learns all tasks together."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from emm.core.binding import choose
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.models import model_class
from emm.params import PARAMS_FILE, OptimiserParams, load_params
from emm.sections import FROM_DATA, section_of, split_section
from emm.training.from_data import arguments_of_data
from emm.training.networks import train_together
from emm.training.workbench import set_up


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
        section, architecture, f"{where}.{model}", OptimiserParams, FROM_DATA
    )
    paths = params.paths(dataset)
    bench = set_up(paths.processed, params.recipe, training, params.data.memory_gib)
    arguments |= arguments_of_data(architecture, bench.schema, bench.train)

    def build(_seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
        return architecture(bench.inputs, len(bench.schema.tasks), **arguments), arguments

    with atomic_folder(paths.model(model)) as out:
        train_together(out, bench, model, model, build, training, optimiser)


if __name__ == "__main__":
    stage(main)()
