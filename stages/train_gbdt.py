"""Train the boosted trees that people would otherwise use, one ensemble a task."""

from dataclasses import replace
from pathlib import Path

from emm.config.project import PARAMS_FILE
from emm.config import load_params
from emm.config.sections import bind_section, section_of
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.fingerprint import fingerprint
from emm.trees.settings import Boosting
from emm.trees.train import train_trees


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Boost trees for every task of DATASET: -> data/models/DATASET/RECIPE/gbdt."""
    params = load_params(file, recipe)
    chosen = params.recipe_of(dataset)
    training = replace(chosen.training, device="cpu")
    where = f"{dataset}.{params.recipe}.train"
    section = section_of(chosen.train, "gbdt", where)
    boosting: Boosting = bind_section(section, Boosting, f"{where}.gbdt")
    paths = params.paths(dataset)
    out = paths.model("gbdt")
    hold(paths.lock(out), out)
    context = open_context(paths.processed, params.recipe, training, params.data.memory_gib)
    settings = {"training": training, "section": section, "fusion": chosen.fusion}
    origin = fingerprint(context.device, settings, paths.training_data, [Path(__file__)])
    with checkpoints(paths, out, origin) as checkpoint, atomic_folder(out) as folder:
        train_trees(folder, context, boosting, training.seeds, chosen.fusion, checkpoint)


if __name__ == "__main__":
    stage(main)()
