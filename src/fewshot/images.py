"""All images as one array, the index that names them, and the split of their characters."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from emm.config.binding import bind
from emm.core.errors import DataError, ParamsError
from emm.core.files import sha256

ARRAY = "images.safetensors"
INDEX = "images.json"
FORMAT = 1


@dataclass(frozen=True)
class Index:
    """images.json. ``characters``: part/alphabet/name of each, in the array's order;
    ``array_sha256``: of the file with the array."""

    format: int
    title: str
    licence: str
    homepage: str
    citation: str
    side: int
    characters: tuple[str, ...]
    array_sha256: str


@dataclass(frozen=True)
class Split:
    """Numbers of the characters that are trained on, chosen by, and tested on."""

    train: Tensor
    validation: Tensor
    test: Tensor


def read_index(folder: Path) -> Index:
    """images.json; DataError if it is missing or damaged."""
    path = folder / INDEX
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(path, str(error)) from error
    errors: list[str] = []
    index: Index = bind(Index, tree, INDEX, errors)
    if errors or index.format != FORMAT:
        raise _refused(path, "; ".join(errors) or f"format {index.format}")
    return index


def load_images(folder: Path) -> Tensor:
    """All images, uint8 [C, D, P, P]; DataError unless they are what the index says."""
    index, path = read_index(folder), folder / ARRAY
    try:
        found = sha256(path)
        images = load_file(path).get("images", torch.empty(0))
    except (OSError, SafetensorError) as error:
        raise _refused(path, str(error)) from error
    if found != index.array_sha256:
        raise _refused(path, f"sha256 {found}", f"sha256 {index.array_sha256}")
    shape = (len(index.characters), *images.shape[1:2], index.side, index.side)
    if images.dtype != torch.uint8 or tuple(images.shape) != shape:
        raise _refused(path, f"{images.dtype} {list(images.shape)}", f"torch.uint8 {list(shape)}")
    return images


def split_characters(count: int, train: int, validation: int, seed: int) -> Split:
    """Draw ``train`` and ``validation`` of ``count`` characters; the rest is test.

    ParamsError if nothing is left to test on.
    """
    if train + validation >= count:
        raise ParamsError(
            "the split leaves no characters to test on",
            where="few-shot in params.yaml: split",
            got=f"{train} train + {validation} validation",
            expected=f"fewer than the {count} characters that there are",
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    parts = torch.split(order, [train, validation, count - train - validation])
    return Split(*(part.sort().values for part in parts))


def _refused(path: Path, got: str, expected: str | None = None) -> DataError:
    return DataError(
        f"{path} can't be used",
        got=got,
        expected=expected,
        next_step="dvc repro prepare-images",
    )
