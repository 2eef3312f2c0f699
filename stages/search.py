"""Search for the architecture of a model."""

from dataclasses import replace

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.errors import choose
from emm.core.files import atomic_folder, write_json
from emm.core.locks import hold
from emm.training.context import open_context
from emm.training.history import HISTORY
from emm.training.settings import TrainingSettings


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Search for MODEL's architecture on DATASET: -> data/architectures/DATASET/RECIPE/MODEL."""
    # Late, as emm.core.command must be imported before NumPy.
    from safetensors.torch import save_file

    from emm.automtl.fields import field_names
    from emm.automtl.search import search
    from emm.automtl.settings import SearchSettings
    from emm.automtl.space import ARCHITECTURE, WEIGHTS, write_architecture
    from emm.automtl.supernet import Supernet

    project = load_project(file, recipe)
    active, paths = project.active, project.paths(dataset)
    choose("model", model, active.searched, f"searched in {file}", "add it there")
    sections = project.recipe(dataset)
    settings, arguments = sections.read_model(
        f"search.{model}", Supernet, SearchSettings, ("outputs",)
    )
    found = paths.architecture(model)
    hold(paths.lock(found), found)
    # Only the settings that say where it runs: no other one of training affects a search.
    training = replace(
        sections.read("training", TrainingSettings),
        sample_weights=settings.sample_weights,
        portable=True,
    )
    context = open_context(paths.processed, active.recipe, training, active.memory_gib)
    with atomic_folder(found) as out:
        outcome = search(context, settings, arguments, paths.checkpoints(found))
        architecture, fields = outcome.found.architecture, field_names(context.schema)
        write_architecture(out / ARCHITECTURE, architecture, fields, context.schema.tasks)
        write_json(out / HISTORY, {"epochs": outcome.history})
        save_file(dict(outcome.weights), out / WEIGHTS)


if __name__ == "__main__":
    stage(main)()
