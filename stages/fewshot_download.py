"""Download the published archives of an image set and verify them."""

from pathlib import Path

from emm.config import PARAMS_FILE, load_params
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from emm.data.fetch.download import fetch
from fewshot.omniglot import archives_of

CACHE = Path(".cache/downloads")


def main(images: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Download the archives of IMAGES to data/raw/IMAGES, one folder each."""
    params = load_params(file, recipe)
    path = params.few_shot.set_of(images).source.path
    with atomic_folder(Paths(images, params.recipe, params.root).raw) as out:
        for archive in archives_of(images):
            fetch(
                archive.source,
                out / archive.part,
                dataset=f"few-shot.sets.{images}",
                cache=CACHE,
                local=Path(path) if path else None,
            )


if __name__ == "__main__":
    stage(main)()
