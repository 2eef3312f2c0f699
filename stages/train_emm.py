"""Fuse the components of the trained models into one multi-task model."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from emm.core.binding import choose
from emm.core.command import stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.fusion.emm import EMM
from emm.fusion.factories import trusting
from emm.fusion.pool import load_pool
from emm.params import load_params
from emm.sections import section_of, split_section
from emm.training.networks import train_together
from emm.training.workbench import set_up


def main(dataset: str, model: str) -> None:
    """Train the fused MODEL on DATASET: data/components -> data/models/DATASET/RECIPE/MODEL."""
    params = load_params()
    recipe = params.recipe_of(dataset)
    training = recipe.training
    where = f"{dataset}.{params.recipe}.train"
    choose("model", model, params.fused, "fused in params.yaml", "add it there")
    section = section_of(recipe.train, model, where)
    optimiser, arguments = split_section(section, EMM, f"{where}.{model}", given=("pool",))
    paths = Paths(dataset, params.recipe)
    bench = set_up(paths.processed, params.recipe, training.device, training.threads)

    def build(seed: int) -> tuple[nn.Module, Mapping[str, Any]]:
        pool = load_pool(paths.components / f"seed-{seed}", bench.schema_sha256)
        with_pool = {**arguments, "pool": pool.describe()}
        fused = EMM(bench.inputs, len(bench.schema.tasks), **with_pool)
        fused.load_components(pool)
        return fused, with_pool

    with atomic_folder(paths.model(model)) as out, trusting(recipe.fusion.factories):
        train_together(out, bench, model, "emm", build, training, optimiser)


if __name__ == "__main__":
    stage(main)()
