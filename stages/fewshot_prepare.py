"""Convert all drawings of an image set to one array."""

from itertools import chain

from emm.config.project import PARAMS_FILE, load_project
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from fewshot.images import write_images
from fewshot.omniglot import archives_of, read_archive
from fewshot.settings import read_image_set


def main(images: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Prepare IMAGES: data/raw/IMAGES -> data/processed/IMAGES (an array and its index)."""
    project = load_project(file, recipe)
    paths = project.paths(images)
    archives = archives_of(images)
    characters = chain.from_iterable(
        read_archive(paths.raw / archive.part / archive.file) for archive in archives
    )
    with atomic_folder(paths.processed) as out:
        write_images(characters, archives[0].source, read_image_set(project, images).side, out)


if __name__ == "__main__":
    stage(main)()
