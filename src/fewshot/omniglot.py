"""Omniglot: 1,623 characters of 50 alphabets, each drawn once by each of 20 people.

It is published as two archives, background and evaluation. An archive is accepted by its own hash,
or else by the hash of its drawings, so that a repacked copy will do.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emm.core.errors import DataError, choose
from emm.data.datasets.source import RawFile, Source

DRAWERS = 20
SIDE = 105
_MAX_BYTES = 1 << 16  # per drawing; the published ones have a few hundred
_MAX_MEMBERS = 40_000
_NAME = re.compile(r"images_(\w+)/([^/\\]+)/(character\d\d)/\d{4}_(\d\d)\.png")
_Key = tuple[str, str, str]  # part, alphabet, name
_READ_ERRORS = (OSError, EOFError, RuntimeError, ValueError, SyntaxError, zipfile.BadZipFile)
_NEXT_STEP = "check the raw files, then run: dvc repro --force fewshot-download@omniglot"


@dataclass(frozen=True)
class Character:
    """A character and its drawings [D, P, P], True where there is ink, in the order of drawers."""

    part: str
    alphabet: str
    name: str
    drawings: NDArray[np.bool_]

    @property
    def path(self) -> str:
        """part/alphabet/name, which identifies the character."""
        return f"{self.part}/{self.alphabet}/{self.name}"


@dataclass(frozen=True)
class Archive:
    """A published archive. ``sha256``: hash of the file; ``drawings_sha256``: `digest` of its
    drawings."""

    part: str
    sha256: str
    drawings_sha256: str
    characters: int

    @property
    def file(self) -> str:
        return f"images_{self.part}.zip"

    @property
    def source(self) -> Source:
        """The published source with this archive as its only file."""
        return Source(
            title="Omniglot",
            homepage="https://github.com/brendenlake/omniglot",
            doi="10.1126/science.aab3050",
            licence="MIT",
            citation=(
                "Lake, B. M., Salakhutdinov, R., & Tenenbaum, J. B. (2015). Human-level concept "
                "learning through probabilistic program induction. Science, 350(6266), 1332-1338. "
                "https://doi.org/10.1126/science.aab3050"
            ),
            files=(RawFile(self.file, self.sha256, proof=partial(_check_drawings, self)),),
            urls=(f"https://github.com/brendenlake/omniglot/raw/master/python/{self.file}",),
            package=None,
            max_bytes=32 * 2**20,
            by_hand=f"the file python/{self.file}",
        )


ARCHIVES = (
    Archive(
        part="background",
        sha256="ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
        drawings_sha256="b988b81c33c639e5f9c09ea317fde6a07f2f68c71ee20f6c53d6620a6b3d36e3",
        characters=964,
    ),
    Archive(
        part="evaluation",
        sha256="1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
        drawings_sha256="05ba95a41cf22c14db91f3e7de5bc53e1bdc64e0daa1f443da04718928490f38",
        characters=659,
    ),
)
IMAGES = {"omniglot": ARCHIVES}


def archives_of(name: str) -> tuple[Archive, ...]:
    """The published archives of an image set. Raises ParamsError if the name is unknown."""
    choose("image set", name, IMAGES, "images in params.yaml", "correct the name")
    return IMAGES[name]


def read_archive(path: Path) -> Iterator[Character]:
    """Yield the characters of an archive, sorted by alphabet and name.

    Raises DataError if the file is no zip archive, holds a file that isn't named as in Omniglot, or
    if a drawing is missing, duplicated, too large, or no PNG of 105 x 105 pixels.
    """
    with _read_errors(path.name), zipfile.ZipFile(path) as archive:
        for (part, alphabet, name), members in sorted(_members(archive, path).items()):
            where = f"{path.name} > {part}/{alphabet}/{name}"
            if sorted(members) != list(range(1, DRAWERS + 1)):
                raise _error(
                    "a character lacks a drawing",
                    where,
                    f"drawings by drawers {_listed(members)}",
                    f"one by each drawer from 1 to {DRAWERS}",
                )
            drawings = [_drawing(archive, members[drawer], path) for drawer in sorted(members)]
            yield Character(part, alphabet, name, np.stack(drawings))


def digest(characters: Iterator[Character]) -> str:
    """sha256 of the names and drawings, however they are packed."""
    found = hashlib.sha256()
    for character in characters:
        found.update(f"{character.path}\n".encode())
        found.update(np.packbits(character.drawings).tobytes())
    return found.hexdigest()


def _check_drawings(archive: Archive, path: Path) -> None:
    """Raise DataError unless ``path`` holds the drawings of ``archive``."""
    found = digest(read_archive(path))
    if found != archive.drawings_sha256:
        raise _error(
            "the drawings differ from the published ones",
            path.name,
            f"sha256 of the drawings {found}",
            archive.drawings_sha256,
        )


def _members(archive: zipfile.ZipFile, path: Path) -> dict[_Key, dict[int, zipfile.ZipInfo]]:
    """The archive's members by character and drawer."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > _MAX_MEMBERS:
        got = f"{len(infos):,} files"
        raise _error("the archive is too large", path.name, got, f"at most {_MAX_MEMBERS:,}")
    found: dict[_Key, dict[int, zipfile.ZipInfo]] = {}
    for info in infos:
        match = _NAME.fullmatch(info.filename)
        if match is None:
            example = "images_background/Greek/character01/0394_01.png"
            raise _error("a file isn't named as in Omniglot", path.name, info.filename, example)
        drawers = found.setdefault((match[1], match[2], match[3]), {})
        if int(match[4]) in drawers:
            raise _error("a drawing is duplicated", path.name, info.filename, "each drawing once")
        drawers[int(match[4])] = info
    return found


def _drawing(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[np.bool_]:
    """Read one drawing [105, 105], True where there is ink."""
    where = f"{path.name} > {info.filename}"
    if info.file_size > _MAX_BYTES:
        got = f"{info.file_size:,} bytes"
        raise _error("a drawing is too large", where, got, f"at most {_MAX_BYTES:,} bytes")
    with _read_errors(where), archive.open(info) as member:
        content = member.read(_MAX_BYTES + 1)  # file_size may be forged
        # Pillow reads the size from the header; the pixels are not decoded yet.
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.size != (SIDE, SIDE):
                got = " x ".join(map(str, image.size))
                raise _error("a drawing has the wrong size", where, got, f"{SIDE} x {SIDE} pixels")
            return np.asarray(image.convert("L")) < 128


def _listed(members: Mapping[int, object]) -> str:
    return ", ".join(map(str, sorted(members)))


@contextmanager
def _read_errors(where: str) -> Iterator[None]:
    """Convert what zipfile and Pillow raise for damaged files into a DataError."""
    try:
        yield
    except _READ_ERRORS as error:
        got = str(error) or type(error).__name__
        raise _error("a file is damaged or not an image", where, got, "a PNG") from error


def _error(what: str, where: str, got: str, expected: str) -> DataError:
    return DataError(what, where=where, got=got, expected=expected, next_step=_NEXT_STEP)
