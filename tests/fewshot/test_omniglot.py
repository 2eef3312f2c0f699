import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emm.core.errors import DataError, DownloadError
from emm.core.files import sha256
from emm.data.fetch.download import fetch
from fewshot.omniglot import ARCHIVES, DRAWERS, SIDE, Archive, digest, read_archive
from tests.fewshot.drawings import drawings, members, png, write_zip

FILES = members("background", 3)
FIRST = "images_background/Alphabet_0/character01/0001_01.png"
Files = dict[str, bytes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "local" / "images_background.zip", FILES)


@pytest.fixture
def archive(path: Path) -> Archive:
    """The description of `path` as if it were a published archive."""
    return replace(ARCHIVES[0], sha256=sha256(path), drawings_sha256=digest(read_archive(path)))


def test_characters_are_sorted_and_have_their_drawings(path: Path) -> None:
    found = list(read_archive(path))
    names = [(each.part, each.alphabet, each.name) for each in found]
    assert names == [
        ("background", "Alphabet_0", "character01"),
        ("background", "Alphabet_0", "character02"),
        ("background", "Alphabet_1", "character01"),
    ]
    for number, character in enumerate(found):
        np.testing.assert_array_equal(character.drawings, drawings(number))


def test_digest_ignores_the_order_of_members_and_folders(tmp_path: Path, path: Path) -> None:
    shuffled = {"images_background/": b"", **dict(reversed(FILES.items()))}
    other = write_zip(tmp_path / "other.zip", shuffled)
    assert digest(read_archive(other)) == digest(read_archive(path))


def test_digest_changes_with_one_pixel(tmp_path: Path, path: Path) -> None:
    ink = drawings(0)[0].copy()
    ink[50, 50] ^= True
    other = write_zip(tmp_path / "other.zip", {**FILES, FIRST: png(ink)})
    assert digest(read_archive(other)) != digest(read_archive(path))


def without(name: str) -> Callable[[Files], Files]:
    return lambda files: {key: value for key, value in files.items() if key != name}


def plus(name: str, content: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, name: content}


def gif() -> bytes:
    out = io.BytesIO()
    Image.new("L", (SIDE, SIDE)).save(out, "GIF")
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without(FIRST), r"(?s)lacks a drawing.*character01.*drawers 2, 3"),
        (plus(FIRST, b"no image"), r"(?s)damaged or not an image.*0001_01"),
        (plus(FIRST, FILES[FIRST][:60]), "damaged or not an image"),
        (plus(FIRST, gif()), "damaged or not an image"),
        (plus(FIRST, png(np.zeros((28, 28), dtype=bool))), r"(?s)wrong size.*28 x 28"),
        (plus(FIRST, bytes(1 << 17)), r"(?s)too large.*131,072 bytes.*at most 65,536"),
        (plus("images_background/notes.txt", b""), r"(?s)isn't named as in Omniglot.*notes\.txt"),
        (plus("../../etc/passwd", b""), "isn't named as in Omniglot"),
        (plus(FIRST.replace("0001_01", "0009_01"), FILES[FIRST]), "a drawing is duplicated"),
    ],
)
def test_bad_archive_is_rejected(
    tmp_path: Path, change: Callable[[Files], Files], message: str
) -> None:
    bad = write_zip(tmp_path / "bad.zip", change(FILES))
    with pytest.raises(DataError, match=message):
        list(read_archive(bad))


def test_file_that_is_no_zip_archive_is_rejected(tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"(?s)damaged or not an image.*bad\.zip"):
        list(read_archive(bad))


def fetch_archive(archive: Archive, local: Path, tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    fetch(archive.source, raw, dataset="omniglot", cache=tmp_path / "cache", local=local)
    return raw / archive.file


def test_published_archive_is_accepted(archive: Archive, path: Path, tmp_path: Path) -> None:
    assert fetch_archive(archive, path.parent, tmp_path).read_bytes() == path.read_bytes()


def test_repacked_archive_is_accepted(archive: Archive, path: Path, tmp_path: Path) -> None:
    stored = tmp_path / "repacked" / path.name
    stored.parent.mkdir()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as out:
        for name, content in reversed(FILES.items()):
            out.writestr(name, content)
    assert sha256(stored) != archive.sha256
    assert fetch_archive(archive, stored.parent, tmp_path).read_bytes() == stored.read_bytes()


def test_archive_with_other_drawings_is_rejected(archive: Archive, tmp_path: Path) -> None:
    other = write_zip(tmp_path / "other" / archive.file, members("background", 4))
    with pytest.raises(DownloadError, match="the drawings differ from the published ones"):
        fetch_archive(archive, other.parent, tmp_path)
    assert not (tmp_path / "raw").exists()


def test_number_of_characters_matches_the_paper() -> None:
    assert sum(archive.characters for archive in ARCHIVES) == 1623
    assert DRAWERS * 1623 == 32_460
