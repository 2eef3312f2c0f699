"""Download the published archives of an image set and verify them."""

from pathlib import Path

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.data.fetch.download import fetch
from fewshot.omniglot import archives_of
from fewshot.settings import read_image_set

CACHE = Path(".cache/downloads")


def main(images: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Download the archives of IMAGES to data/raw/IMAGES, one folder each."""
    project = load_project(file, recipe)
    path = read_image_set(project, images).source.path
    with atomic_folder(project.paths(images).raw) as out:
        for archive in archives_of(images):
            fetch(
                archive.source,
                out / archive.part,
                dataset=images,
                cache=CACHE,
                local=Path(path) if path else None,
            )


if __name__ == "__main__":
    stage(main)()
