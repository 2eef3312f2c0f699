"""Take the trained models of a dataset apart into components, seed by seed."""

from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.data.schema import load_schema, schema_hash
from emm.fusion.factories import trusting
from emm.fusion.gather import build_pool, outside_models, own_models
from emm.fusion.pool import save_pool
from emm.nn.inputs import Inputs
from emm.params import load_params


def main(dataset: str) -> None:
    """Decompose DATASET's trained models: data/models -> data/components/DATASET/RECIPE."""
    params = load_params()
    recipe = params.recipe_of(dataset)
    paths = Paths(dataset, params.recipe)
    schema, identity = load_schema(paths.schema), schema_hash(paths.schema)
    inputs = Inputs(len(schema.dense), schema.cardinalities)
    folders = {name: paths.model(name) for name in params.trained}
    with atomic_folder(paths.components) as out, trusting(recipe.fusion.factories):
        outside = outside_models(recipe.fusion.pool, schema.tasks, inputs)
        for seed in recipe.training.seeds:
            trained = [*own_models(folders, schema.tasks, identity, seed), *outside]
            pool = build_pool(trained, inputs, schema.tasks, identity, seed)
            save_pool(pool, out / f"seed-{seed}")


if __name__ == "__main__":
    stage(main)()
