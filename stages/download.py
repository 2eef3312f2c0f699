"""Get a dataset's raw files and verify them."""

from pathlib import Path

from emm.config.project import PARAMS_FILE, Project, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.errors import choose
from emm.core.locks import hold
from emm.data.custom.files import custom_source
from emm.data.custom.settings import read_custom
from emm.data.datasets.dataset import DATASETS, load_dataset
from emm.data.datasets.source import Source, SourceSettings
from emm.data.fetch.download import fetch

CACHE = Path(".cache/downloads")


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Download DATASET to data/raw/DATASET."""
    project = load_project(file, recipe)
    path = project.data(dataset).read("source", SourceSettings).path
    paths = project.paths(dataset)
    hold(paths.lock(paths.raw), paths.raw)
    fetch(
        _source(project, dataset),
        paths.raw,
        dataset=dataset,
        cache=CACHE,
        local=Path(path) if path else None,
    )


def _source(project: Project, dataset: str) -> Source:
    """The source of the raw files: custom data or a registered dataset."""
    name, data = project.source(dataset), project.data(dataset)
    custom = read_custom(data, tasks=())  # the download doesn't depend on the choice of tasks
    if custom is not None:
        return custom_source(name, custom.patterns)
    choose("dataset", name, DATASETS, data.path, "choose one of the known datasets")
    return load_dataset(name).source


if __name__ == "__main__":
    stage(main)()
