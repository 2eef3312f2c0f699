"""Bring a dataset's raw files into place and verify them."""

from pathlib import Path

from emm.core.binding import choose
from emm.core.command import stage
from emm.core.paths import Paths
from emm.data.dataset import DATASETS, load_dataset
from emm.data.download import fetch
from emm.params import PARAMS_FILE, load_params

CACHE = Path(".cache/downloads")


def main(dataset: str) -> None:
    """Download DATASET: -> data/raw/DATASET."""
    params = load_params()
    section = params.dataset(dataset)
    choose("dataset", dataset, DATASETS, PARAMS_FILE, "choose one of the known datasets")
    local = Path(section.source.path) if section.source.path else None
    fetch(
        load_dataset(dataset).source,
        Paths(dataset, params.recipe).raw,
        dataset=dataset,
        cache=CACHE,
        local=local,
    )


if __name__ == "__main__":
    stage(main)()
