"""Small archives with generated characters in Omniglot's layout."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.omniglot import DRAWERS, SIDE


def png(ink: NDArray[np.bool_]) -> bytes:
    """Encode a drawing as published: one bit per pixel, black ink."""
    out = io.BytesIO()
    Image.fromarray(~ink).convert("1").save(out, "PNG")
    return out.getvalue()


def drawings(character: int) -> NDArray[np.bool_]:
    """[D, 105, 105]: a bar whose position identifies the character, shifted a little per drawer."""
    found = np.zeros((DRAWERS, SIDE, SIDE), dtype=bool)
    shifts = np.random.default_rng(character).integers(-3, 4, (DRAWERS, 2))
    for drawer, (down, right) in enumerate(shifts):
        row, column = 10 + 22 * (character // 4) + down, 10 + 22 * (character % 4) + right
        found[drawer, row : row + 12, column : column + 18] = True
    return found


def members(part: str, characters: int) -> dict[str, bytes]:
    """Name and content of each drawing; an alphabet has two characters."""
    return {
        f"images_{part}/Alphabet_{number // 2}/character{number % 2 + 1:02}/"
        f"{number + 1:04}_{drawer:02}.png": png(ink)
        for number in range(characters)
        for drawer, ink in enumerate(drawings(number), start=1)
    }


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
