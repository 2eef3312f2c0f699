"""Convert all drawings of an image set to one array."""

from itertools import chain

from emm.config import PARAMS_FILE, load_params
from emm.core.command import ParamsFile, Recipe, stage
from emm.core.files import atomic_folder
from emm.core.paths import Paths
from fewshot.images import write_images
from fewshot.omniglot import archives_of, read_archive


def main(images: str, file: ParamsFile = PARAMS_FILE, recipe: Recipe = None) -> None:
    """Prepare IMAGES: data/raw/IMAGES -> data/processed/IMAGES (an array and its index)."""
    params = load_params(file, recipe)
    paths = Paths(images, params.recipe, params.root)
    archives = archives_of(images)
    characters = chain.from_iterable(
        read_archive(paths.raw / archive.part / archive.file) for archive in archives
    )
    with atomic_folder(paths.processed) as out:
        write_images(characters, archives[0].source, params.few_shot.set_of(images).side, out)


if __name__ == "__main__":
    stage(main)()
