"""Fuse the trained models of a dataset into one multi-task model."""

from pathlib import Path

from emm.config.project import PARAMS_FILE
from emm.config import load_params
from emm.config.binding import choose
from emm.config.sections import section_of
from emm.config.project import split_section
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.fusion.emm import EMM
from emm.fusion.factories import trusting
from emm.fusion.settings import FusedSettings
from emm.fusion.train import train_fused
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.fingerprint import fingerprint


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Train the fused MODEL on DATASET: data/components -> data/models/DATASET/RECIPE/MODEL."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    training = chosen.training
    where = f"{dataset}.{params.recipe}.train"
    choose("model", model, params.fused, "fused in params.yaml", "add it there")
    section = section_of(chosen.train, model, where)
    settings, arguments = split_section(
        section, EMM, f"{where}.{model}", FusedSettings, given=("pool",)
    )
    paths = params.paths(dataset)
    out = paths.model(model)
    hold(paths.lock(out), out)
    context = open_context(paths.processed, params.recipe, training, params.data.memory_gib)
    origin = fingerprint(
        context.device,
        {"training": training, "section": section, "fusion": chosen.fusion},
        [*paths.training_data, paths.components],
        [Path(__file__), Path("pool")],
    )
    with (
        checkpoints(paths, out, origin) as checkpoint,
        atomic_folder(out) as folder,
        trusting(chosen.fusion.factories),
    ):
        train_fused(
            folder,
            context,
            model,
            paths.components,
            training=training,
            fusion=chosen.fusion,
            settings=settings,
            arguments=arguments,
            checkpoint=checkpoint,
        )


if __name__ == "__main__":
    stage(main)()
