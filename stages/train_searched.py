"""Train the architecture that was found for a model."""

from emm.core.binding import choose
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.models.automtl import AutoMTL
from emm.params import PARAMS_FILE, load_params
from emm.sections import section_of, split_section
from emm.training.searched import SearchedParams, train_searched
from emm.training.workbench import set_up


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Train the architecture found for MODEL on DATASET: -> data/models/DATASET/RECIPE/MODEL."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    where = f"{dataset}.{params.recipe}.train"
    choose("model", model, params.searched, "searched in params.yaml", "add it there")
    settings, arguments = split_section(
        section_of(chosen.train, model, where),
        AutoMTL,
        f"{where}.{model}",
        SearchedParams,
        given=("architecture",),
    )
    paths = params.paths(dataset)
    bench = set_up(paths.processed, params.recipe, chosen.training, params.data.memory_gib)
    with atomic_folder(paths.model(model)) as out:
        train_searched(
            out,
            bench,
            model,
            paths.architecture(model),
            training=chosen.training,
            settings=settings,
            arguments=arguments,
        )


if __name__ == "__main__":
    stage(main)()
