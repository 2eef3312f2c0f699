import gzip
from dataclasses import replace

import pytest

from emm.core.errors import DownloadError
from tests.data.fetch.site import Site
from tests.data.fetch.tiny_source import (
    ARCHIVES,
    FILES,
    GZIPPED,
    SOURCE,
    TEST,
    TRAIN,
    ZIP,
    Place,
    make_tar_gz,
    make_zip,
)

FOLDERS: dict[str, dict[str, bytes]] = {
    "plain": FILES,
    "gz": GZIPPED,
    "aliases": {"train.csv": TRAIN, "test.csv.gz": gzip.compress(TEST)},
    "among others": {**FILES, "c.names": b"notes", "a.zip": b"PK\x03\x04 not really"},
    "twice": {**FILES, "train.csv": b"another"},
    "an archive": {"census.zip": ZIP},
    "half in an archive": {"c.data": TRAIN, "rest.tgz": make_tar_gz({"x/c.test": TEST})},
}


@pytest.mark.parametrize("files", FOLDERS.values(), ids=FOLDERS)
def test_files_are_taken_from_a_local_folder(place: Place, files: dict[str, bytes]) -> None:
    place.fetch(local=place.put(files))
    assert place.raw_files() == FILES


@pytest.mark.parametrize("content", ARCHIVES.values(), ids=ARCHIVES)
def test_files_are_taken_from_a_local_archive(place: Place, content: bytes) -> None:
    place.fetch(local=place.put({"archive": content}) / "archive")
    assert place.raw_files() == FILES


def test_a_source_of_one_file_is_taken_from_a_local_file(place: Place) -> None:
    source = replace(SOURCE, files=SOURCE.files[:1])
    place.fetch(source, place.put({"c.data.gz": gzip.compress(TRAIN)}) / "c.data.gz")
    assert place.raw_files() == {"c.data": TRAIN}


def test_the_local_files_are_unchanged(place: Place) -> None:
    place.fetch(local=place.put(GZIPPED))
    assert {path.name: path.read_bytes() for path in place.local.iterdir()} == GZIPPED


WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({}, "c.data and c.test not found in it"),
    "one missing": ({"c.data": TRAIN}, "c.test not found in it"),
    "other bytes": ({**FILES, "c.data": TRAIN[::-1]}, "c.data is not the file that was published"),
    "cut off": ({**FILES, "c.data": TRAIN[:-1]}, "got: 99,999 bytes; expected: 100,000 bytes"),
    "too long": ({**FILES, "c.data": TRAIN + b"x"}, "got: more than 100,000 bytes"),
    "empty": ({**FILES, "c.data": b""}, "got: 0 bytes"),
    "cut off gz": ({"c.data.gz": gzip.compress(TRAIN)[:-20]}, "damaged or cut off"),
    "unsafe": ({"c.zip": make_zip({"../c.data": TRAIN})}, "isn't safe to unpack"),
    "bomb": ({"c.data.gz": gzip.compress(bytes(50_000_000))}, "got: more than 100,000 bytes"),
}


@pytest.mark.parametrize(("files", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_local_folder_is_an_error(
    place: Place, files: dict[str, bytes], reason: str
) -> None:
    local = place.put(files)
    with pytest.raises(DownloadError) as error:
        place.fetch(local=local)
    assert reason in str(error.value)
    assert place.nothing_written()


def test_the_error_for_a_wrong_local_path_has_a_next_step(place: Place) -> None:
    source = replace(SOURCE, urls=("http://127.0.0.1:1/c.zip",))
    with pytest.raises(DownloadError) as error:
        place.fetch(source, place.local / "none")
    assert str(error.value).splitlines() == [
        "source.path in conf/tiny/data.yaml does not lead to the published files",
        f"  where: {place.local / 'none'}",
        f"  got: the file can't be opened; where: {place.local / 'none'}; "
        "got: No such file or directory",
        "  expected: a folder or an archive with these, plain, .gz or .zst: "
        "c.data (100,000 bytes), c.test (36,000 bytes)",
        "  next: correct the path, or set it to null to download the files, then run: dvc repro",
    ]


def test_a_wrong_local_path_is_not_replaced_by_a_download(place: Place, site: Site) -> None:
    site.content = ZIP
    with pytest.raises(DownloadError):
        place.fetch(replace(SOURCE, urls=(site.url("c.zip"),)), place.put({}))
    assert site.requests == []


def test_placed_files_are_taken_before_a_url(place: Place, site: Site) -> None:
    site.status = 500
    folder = place.placed / place.raw.name
    folder.mkdir(parents=True)
    for name, content in GZIPPED.items():
        (folder / name).write_bytes(content)
    place.fetch(replace(SOURCE, urls=(site.url("c"),)))
    assert place.raw_files() == FILES


def test_a_url_is_tried_if_placed_files_are_others(place: Place, site: Site) -> None:
    site.content = ZIP
    folder = place.placed / place.raw.name
    folder.mkdir(parents=True)
    (folder / "c.data").write_bytes(TRAIN[::-1])
    place.fetch(replace(SOURCE, urls=(site.url("c"),)))
    assert place.raw_files() == FILES
