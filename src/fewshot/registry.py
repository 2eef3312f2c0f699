"""The sets of images that the pipeline knows."""

from emm.config.binding import choose
from fewshot.omniglot import ARCHIVES, Archive

IMAGES = {"omniglot": ARCHIVES}


def archives_of(name: str) -> tuple[Archive, ...]:
    """The published archives of a set; ParamsError if it isn't known."""
    choose("set of images", name, IMAGES, "images in params.yaml", "correct the name")
    return IMAGES[name]
