"""Take the trained models of a dataset apart into components, seed by seed."""

from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.data.schema import load_schema, schema_hash
from emm.fusion.pool import decompose_trained, save_pool
from emm.params import load_params


def main(dataset: str) -> None:
    """Decompose DATASET's trained models: data/models -> data/components/DATASET/RECIPE."""
    params = load_params()
    paths = Paths(dataset, params.recipe)
    tasks, identity = load_schema(paths.schema).tasks, schema_hash(paths.schema)
    folders = {name: paths.model(name) for name in params.trained}
    with atomic_folder(paths.components) as out:
        for seed in params.recipe_of(dataset).training.seeds:
            pool = decompose_trained(folders, tasks, identity, seed)
            save_pool(pool, out / f"seed-{seed}")


if __name__ == "__main__":
    stage(main)()
