"""Preprocess raw files to encoded splits and schema.json."""

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.locks import hold
from emm.data.custom.settings import read_custom
from emm.data.prepare.dataset import dataset_of
from emm.data.prepare.preprocess import preprocess
from emm.data.prepare.sample import Sample
from emm.data.prepare.settings import read_preprocess, read_tasks


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Preprocess DATASET: data/raw/DATASET -> data/processed/DATASET."""
    project = load_project(file, recipe)
    data, paths = project.data(dataset), project.paths(dataset)
    tasks = read_tasks(data)
    settings, custom = read_preprocess(data, tasks), read_custom(data, tasks)
    hold(paths.lock(paths.processed), paths.processed)
    with atomic_folder(paths.processed) as out:
        preprocess(
            dataset_of(data, project.source(dataset), paths.raw),
            paths.raw,
            out,
            tasks=tasks,
            seed=settings.seed,
            rare_below=settings.rare_below,
            rejected=paths.rejected,
            max_rejected=settings.max_rejected,
            sample=Sample(**vars(settings.sample)) if settings.sample else None,
            bags=settings.bags or bool(custom and custom.bags),
            funnel=settings.funnel,
            keep=settings.keep,
            weight=settings.weight,
            raw_columns=settings.raw,
        )


if __name__ == "__main__":
    stage(main)()
