"""Train a model: single-task networks, a baseline, boosted trees, a fused or a searched model."""

from pathlib import Path

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.training.checkpoint import checkpoints
from emm.training.context import open_context
from emm.training.fingerprint import fingerprint
from emm.training.jobs import job_of


def main(dataset: str, model: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Train MODEL on DATASET: -> data/models/DATASET/RECIPE/MODEL."""
    project = load_project(file, recipe)
    active, paths = project.active, project.paths(dataset)
    job = job_of(project, dataset, model)
    out = paths.model(model)
    hold(paths.lock(out), out)
    context = open_context(paths.processed, active.recipe, job.training, active.memory_gib)
    sources = [*paths.training_data, *job.sources]
    origin = fingerprint(context.device, job.settings, sources, [Path(__file__), *job.code])
    with checkpoints(paths, out, origin) as checkpoint, atomic_folder(out) as folder:
        job.train(folder, context, checkpoint)


if __name__ == "__main__":
    stage(main)()
