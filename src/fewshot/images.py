"""The prepared images: one array, the index of its characters, and their split."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from emm.config.binding import bind
from emm.core.errors import DataError, ParamsError
from emm.core.files import sha256, write_json
from emm.data.datasets.source import Source
from fewshot.omniglot import Character

ARRAY = "images.safetensors"
INDEX = "images.json"
FORMAT = 1


@dataclass(frozen=True)
class Index:
    """images.json. ``characters``: the path of each, in the order of the array; ``array_sha256``:
    hash of the array's file."""

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
    """Indices of the training, validation and test characters."""

    train: Tensor
    validation: Tensor
    test: Tensor


def write_images(characters: Iterable[Character], source: Source, side: int, out: Path) -> None:
    """Write images.safetensors, uint8 [C, D, P, P] with ink 255, and images.json to ``out``.

    Drawings are resized to ``side`` x ``side`` pixels with the filter of MAML's reference code
    (Lanczos). The same drawings give the same bytes.
    """
    paths, images = [], []
    for character in characters:
        paths.append(character.path)
        images.append(np.stack([_resize(drawing, side) for drawing in character.drawings]))
    save_file({"images": torch.from_numpy(np.stack(images))}, out / ARRAY)
    index = Index(
        format=FORMAT,
        title=source.title,
        licence=source.licence,
        homepage=source.homepage,
        citation=source.citation,
        side=side,
        characters=tuple(paths),
        array_sha256=sha256(out / ARRAY),
    )
    write_json(out / INDEX, asdict(index))


def read_index(folder: Path) -> Index:
    """Read images.json. Raises DataError if it is missing or damaged."""
    path = folder / INDEX
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _error(path, str(error)) from error
    errors: list[str] = []
    index: Index = bind(Index, tree, INDEX, errors)
    if errors or index.format != FORMAT:
        raise _error(path, "; ".join(errors) or f"format {index.format}")
    return index


def load_images(folder: Path) -> Tensor:
    """Load all images, uint8 [C, D, P, P]. Raises DataError if they don't match the index."""
    index, path = read_index(folder), folder / ARRAY
    try:
        found = sha256(path)
        images = load_file(path).get("images", torch.empty(0))
    except (OSError, SafetensorError) as error:
        raise _error(path, str(error)) from error
    if found != index.array_sha256:
        raise _error(path, f"sha256 {found}", f"sha256 {index.array_sha256}")
    shape = (len(index.characters), *images.shape[1:2], index.side, index.side)
    if images.dtype != torch.uint8 or tuple(images.shape) != shape:
        raise _error(path, f"{images.dtype} {list(images.shape)}", f"torch.uint8 {list(shape)}")
    return images


def split_characters(count: int, train: int, validation: int, seed: int) -> Split:
    """Draw ``train`` and ``validation`` of ``count`` characters at random; the rest are for test.

    Raises ParamsError if no character is left for test.
    """
    if train + validation >= count:
        raise ParamsError(
            "the split leaves no characters to test on",
            where="split in conf/<images>/data.yaml",
            got=f"{train} train + {validation} validation",
            expected=f"fewer than all {count} characters",
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    parts = torch.split(order, [train, validation, count - train - validation])
    return Split(*(part.sort().values for part in parts))


def _resize(drawing: NDArray[np.bool_], side: int) -> NDArray[np.uint8]:
    image = Image.fromarray(drawing.astype(np.uint8) * 255)
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def _error(path: Path, got: str, expected: str | None = None) -> DataError:
    return DataError(
        f"{path} can't be used",
        got=got,
        expected=expected,
        next_step="dvc repro fewshot-prepare",
    )
