"""Search for the architecture of a model."""

from dataclasses import replace

from safetensors.torch import save_file

from emm.automtl.fields import field_names
from emm.automtl.search import search
from emm.automtl.settings import SearchSettings
from emm.automtl.space import ARCHITECTURE, WEIGHTS, write_architecture
from emm.automtl.supernet import Supernet
from emm.config import PARAMS_FILE, load_params
from emm.config.binding import choose
from emm.config.sections import section_of, split_section
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder, write_json
from emm.core.locks import hold
from emm.training.context import open_context
from emm.training.history import HISTORY


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Search for MODEL's architecture on DATASET: -> data/architectures/DATASET/RECIPE/MODEL."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    where = f"{dataset}.{params.recipe}.search"
    choose("model", model, params.searched, "searched in params.yaml", "add it there")
    section = section_of(chosen.search, model, where)
    settings, arguments = split_section(section, Supernet, f"{where}.{model}", SearchSettings)
    paths = params.paths(dataset)
    made = paths.architecture(model)
    hold(paths.lock(made), made)
    # Of the training's settings those alone that say where: no other one makes a search run again.
    training = replace(chosen.training, sample_weights=settings.sample_weights)
    context = open_context(paths.processed, params.recipe, training, params.data.memory_gib)
    with atomic_folder(made) as out:
        outcome = search(context, settings, arguments, paths.checkpoints(made))
        found, fields = outcome.found.architecture, field_names(context.schema)
        write_architecture(out / ARCHITECTURE, found, fields, context.schema.tasks)
        write_json(out / HISTORY, {"epochs": outcome.history})
        save_file(dict(outcome.weights), out / WEIGHTS)


if __name__ == "__main__":
    stage(main)()
