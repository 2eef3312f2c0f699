"""Drawings to one array of small images."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from emm.core.files import sha256, write_json
from emm.data.datasets.source import Source
from fewshot.images import ARRAY, FORMAT, INDEX, Index
from fewshot.omniglot import Character


def write_images(characters: Iterable[Character], source: Source, side: int, out: Path) -> None:
    """Write images.safetensors, uint8 [C, D, P, P] with ink 255, and images.json to ``out``.

    Drawings are made ``side`` pixels high and wide, with the filter of MAML's own code (Lanczos).
    The same drawings give the same bytes.
    """
    names, images = [], []
    for character in characters:
        names.append(f"{character.part}/{character.alphabet}/{character.name}")
        images.append(np.stack([_shrunk(drawing, side) for drawing in character.drawings]))
    save_file({"images": torch.from_numpy(np.stack(images))}, out / ARRAY)
    index = Index(
        FORMAT,
        source.title,
        source.licence,
        source.homepage,
        source.citation,
        side,
        tuple(names),
        sha256(out / ARRAY),
    )
    write_json(out / INDEX, asdict(index))


def _shrunk(drawing: NDArray[np.bool_], side: int) -> NDArray[np.uint8]:
    image = Image.fromarray(drawing.astype(np.uint8) * 255)
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))
