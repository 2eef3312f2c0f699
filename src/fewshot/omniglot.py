"""Omniglot: 1,623 characters of 50 alphabets, each drawn once by the same number of people.

The published archives are two, background and evaluation. The drawings prove an archive as well as
its own hash does: the same ones packed anew, or compressed otherwise, will do.
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

from emm.core.errors import DataError
from emm.data.datasets.source import RawFile, Source

DRAWERS = 20
SIDE = 105
_MOST_BYTES = 1 << 16  # of one drawing; the published ones have a few hundred
_MOST_MEMBERS = 40_000
_NAME = re.compile(r"images_(\w+)/([^/\\]+)/(character\d\d)/\d{4}_(\d\d)\.png")
_DAMAGE = (OSError, EOFError, RuntimeError, ValueError, SyntaxError, zipfile.BadZipFile)
_GET_IT = "check the raw files, then: dvc repro --force download-images@omniglot"


@dataclass(frozen=True)
class Archive:
    """A published archive; ``drawings``: `digest` of what is drawn in it."""

    part: str
    sha256: str
    drawings: str
    characters: int

    @property
    def file(self) -> str:
        return f"images_{self.part}.zip"

    @property
    def source(self) -> Source:
        """Where the archive comes from."""
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
            files=(RawFile(self.file, self.sha256, proof=partial(_prove, self)),),
            urls=(f"https://github.com/brendenlake/omniglot/raw/master/python/{self.file}",),
            package=None,
            max_bytes=32 * 2**20,
            by_hand=f"the file python/{self.file}",
        )


ARCHIVES = (
    Archive(
        part="background",
        sha256="ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
        drawings="b988b81c33c639e5f9c09ea317fde6a07f2f68c71ee20f6c53d6620a6b3d36e3",
        characters=964,
    ),
    Archive(
        part="evaluation",
        sha256="1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
        drawings="05ba95a41cf22c14db91f3e7de5bc53e1bdc64e0daa1f443da04718928490f38",
        characters=659,
    ),
)


@dataclass(frozen=True)
class Character:
    """A character and its drawings [D, 105, 105], True where there is ink, in drawers' order."""

    part: str
    alphabet: str
    name: str
    drawings: NDArray[np.bool_]


def read_archive(path: Path) -> Iterator[Character]:
    """The characters of an archive, in the order of their names.

    Raises DataError: not a zip file, a name that isn't Omniglot's, a drawing that is missing, is
    there twice, is too large or no PNG of 105 x 105 pixels.
    """
    with _damage(path.name), zipfile.ZipFile(path) as archive:
        for (part, alphabet, name), members in sorted(_members(archive, path).items()):
            where = f"{path.name} > {part}/{alphabet}/{name}"
            if sorted(members) != list(range(1, DRAWERS + 1)):
                raise _refused(
                    "a character lacks a drawing",
                    where,
                    f"those of the drawers {_listed(members)}",
                    f"one of each drawer from 1 to {DRAWERS}",
                )
            drawings = [_drawing(archive, members[drawer], path) for drawer in sorted(members)]
            yield Character(part, alphabet, name, np.stack(drawings))


def digest(characters: Iterator[Character]) -> str:
    """sha256 over names and drawings, whatever the files around them."""
    found = hashlib.sha256()
    for character in characters:
        found.update(f"{character.part}/{character.alphabet}/{character.name}\n".encode())
        found.update(np.packbits(character.drawings).tobytes())
    return found.hexdigest()


def _prove(archive: Archive, path: Path) -> None:
    """Raise DataError unless the drawings in ``path`` are those of ``archive``."""
    found = digest(read_archive(path))
    if found != archive.drawings:
        raise _refused(
            "the drawings aren't those that were published",
            path.name,
            f"sha256 of the drawings {found}",
            archive.drawings,
        )


_Key = tuple[str, str, str]


def _members(archive: zipfile.ZipFile, path: Path) -> dict[_Key, dict[int, zipfile.ZipInfo]]:
    """The archive's drawings by character and drawer."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > _MOST_MEMBERS:
        got = f"{len(infos):,} files"
        raise _refused("the archive is too large", path.name, got, f"at most {_MOST_MEMBERS:,}")
    found: dict[_Key, dict[int, zipfile.ZipInfo]] = {}
    for info in infos:
        match = _NAME.fullmatch(info.filename)
        if match is None:
            example = "images_background/Greek/character01/0394_01.png"
            raise _refused("a file has no name of Omniglot's", path.name, info.filename, example)
        drawers = found.setdefault((match[1], match[2], match[3]), {})
        if int(match[4]) in drawers:
            raise _refused("a drawing is there twice", path.name, info.filename, "each once")
        drawers[int(match[4])] = info
    return found


def _drawing(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[np.bool_]:
    """One drawing [105, 105], True where there is ink."""
    where = f"{path.name} > {info.filename}"
    if info.file_size > _MOST_BYTES:
        got = f"{info.file_size:,} bytes"
        raise _refused("a drawing is too large", where, got, f"at most {_MOST_BYTES:,} bytes")
    with _damage(where), archive.open(info) as member:
        content = member.read(_MOST_BYTES + 1)  # a name in the directory may lie about its size
        # The size is told by the first bytes, before anything is unpacked.
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.size != (SIDE, SIDE):
                got = " x ".join(map(str, image.size))
                raise _refused(
                    "a drawing is of another size", where, got, f"{SIDE} x {SIDE} pixels"
                )
            return np.asarray(image.convert("L")) < 128


def _listed(members: Mapping[int, object]) -> str:
    return ", ".join(map(str, sorted(members)))


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Turn what zipfile and Pillow raise for damaged files into a DataError."""
    try:
        yield
    except _DAMAGE as error:
        got = str(error) or type(error).__name__
        raise _refused("a file is damaged or no image", where, got, "a PNG") from error


def _refused(what: str, where: str, got: str, expected: str) -> DataError:
    return DataError(what, where=where, got=got, expected=expected, next_step=_GET_IT)
