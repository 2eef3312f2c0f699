"""Check a trained model from outside, and score the rows of all splits with it."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.errors import choose
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.data.tables.schema import load_schema
from emm.outside.factories import trusting
from emm.outside.pool import read_pool
from emm.outside.score import score
from emm.training.devices import use_device


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Score DATASET with the outside model MODEL: -> data/scores/DATASET/RECIPE/MODEL."""
    project = load_project(file, recipe)
    paths, recipe_file = project.paths(dataset), project.recipe(dataset)
    pool = read_pool(recipe_file)
    where = f"{recipe_file.path}: fusion.pool"
    choose("outside model", model, pool, where, "correct `outside` in params.yaml: emm check --fix")
    hold(paths.lock(paths.scores(model)), paths.scores(model))
    use_device("cpu", 1, portable=True)  # the same bits, whatever the machine
    entry = pool[model]
    schema = load_schema(paths.schema)
    with (
        atomic_folder(paths.scores(model)) as out,
        trusting([entry.factory] if entry.factory else []),
    ):
        score(out, model, entry, paths.processed, schema, f"{where}.{model}")


if __name__ == "__main__":
    stage(main)()
