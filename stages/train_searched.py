"""Train the architecture that was found for a model."""

from pathlib import Path

from emm.automtl.network import AutoMTL
from emm.automtl.space import ARCHITECTURE, WEIGHTS
from emm.automtl.settings import SearchedSettings
from emm.automtl.train import train_searched
from emm.config.project import PARAMS_FILE
from emm.config import load_params
from emm.config.binding import choose
from emm.config.sections import section_of
from emm.config.project import split_section
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.fingerprint import fingerprint


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Train the architecture found for MODEL on DATASET: -> data/models/DATASET/RECIPE/MODEL."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    where = f"{dataset}.{params.recipe}.train"
    choose("model", model, params.searched, "searched in params.yaml", "add it there")
    section = section_of(chosen.train, model, where)
    settings, arguments = split_section(
        section,
        AutoMTL,
        f"{where}.{model}",
        SearchedSettings,
        given=("architecture",),
    )
    paths = params.paths(dataset)
    out, searched = paths.model(model), paths.architecture(model)
    hold(paths.lock(out), out)
    context = open_context(paths.processed, params.recipe, chosen.training, params.data.memory_gib)
    sources = [*paths.training_data, searched / ARCHITECTURE, searched / WEIGHTS]
    origin = fingerprint(
        context.device, {"training": chosen.training, "section": section}, sources, [Path(__file__)]
    )
    with checkpoints(paths, out, origin) as checkpoint, atomic_folder(out) as folder:
        train_searched(
            folder,
            context,
            model,
            searched,
            training=chosen.training,
            settings=settings,
            arguments=arguments,
            checkpoint=checkpoint,
        )


if __name__ == "__main__":
    stage(main)()
