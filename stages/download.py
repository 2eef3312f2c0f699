"""Bring a dataset's raw files into place and verify them."""

from pathlib import Path

from emm.core.binding import choose
from emm.core.command import ParamsFile, Recipe, stage
from emm.data.dataset import DATASETS, load_dataset
from emm.data.download import fetch
from emm.params import PARAMS_FILE, load_params

CACHE = Path(".cache/downloads")


def main(dataset: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Download DATASET: -> data/raw/DATASET."""
    params = load_params(file, recipe)
    section = params.dataset(dataset)
    source = params.source(dataset)
    choose("dataset", source, DATASETS, file, "choose one of the known datasets")
    local = Path(section.source.path) if section.source.path else None
    fetch(
        load_dataset(source).source,
        params.paths(dataset).raw,
        dataset=dataset,
        cache=CACHE,
        local=local,
    )


if __name__ == "__main__":
    stage(main)()
