"""Bring a dataset's raw files into place and verify them."""

from pathlib import Path

from emm.config import PARAMS_FILE, Params, load_params
from emm.config.binding import choose
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.locks import hold
from emm.data.custom.source import custom_source
from emm.data.datasets.dataset import DATASETS, load_dataset
from emm.data.datasets.source import Source
from emm.data.fetch.download import fetch

CACHE = Path(".cache/downloads")


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Download DATASET: -> data/raw/DATASET."""
    params = load_params(file, recipe)
    path = params.dataset(dataset).source.path
    paths = params.paths(dataset)
    hold(paths.lock(paths.raw), paths.raw)
    fetch(
        _source(params, dataset, file),
        paths.raw,
        dataset=dataset,
        cache=CACHE,
        local=Path(path) if path else None,
    )


def _source(params: Params, dataset: str, file: Path) -> Source:
    """Where the block's raw files come from: own files, or those of a registered dataset."""
    name, table = params.source(dataset), params.dataset(dataset).table
    if table is not None:
        return custom_source(name, table.patterns)
    choose("dataset", name, DATASETS, file, "choose one of the known datasets")
    return load_dataset(name).source


if __name__ == "__main__":
    stage(main)()
