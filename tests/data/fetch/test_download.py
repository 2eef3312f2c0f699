import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emm.core.errors import DownloadError, OutOfSpaceError
from emm.data.datasets.source import Package
from emm.data.fetch import download
from tests.data.fetch.site import Site
from tests.data.fetch.tiny_source import ARCHIVES, FILES, SOURCE, TEST, TRAIN, ZIP, Place, make_zip


@pytest.mark.parametrize("content", ARCHIVES.values(), ids=ARCHIVES)
def test_files_are_taken_from_a_url(place: Place, site: Site, content: bytes) -> None:
    site.content = content
    place.fetch(replace(SOURCE, urls=(site.url("c"),)))
    assert place.raw_files() == FILES
    assert place.cached() == []


MakePackage = Callable[[Mapping[str, bytes]], Package]


def test_files_are_taken_from_the_package_if_the_urls_fail(
    place: Place, site: Site, make_package: MakePackage
) -> None:
    site.status = 404
    package = make_package({"data/train.csv": TRAIN, "data/test.csv": TEST})
    place.fetch(replace(SOURCE, urls=(site.url("c.zip"),), package=package))
    assert place.raw_files() == FILES


BAD = {
    "an error page": b"<html>Service unavailable</html>",
    "half": make_zip({"c.data": TRAIN}),
    "other bytes": make_zip({"c.data": TRAIN, "c.test": TEST[::-1]}),
    "damaged": ZIP[:200],
    "too large": bytes(SOURCE.max_bytes + 1),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_after_bad_content_the_next_source_is_tried(
    place: Place, site: Site, monkeypatch: pytest.MonkeyPatch, bad: bytes
) -> None:
    good = place.put({"c.zip": ZIP}) / "c.zip"

    @contextmanager
    def packaged(package: Package, cache: Path) -> Iterator[Path]:
        yield good

    monkeypatch.setattr(download, "packaged", packaged)
    site.content = bad
    place.fetch(replace(SOURCE, urls=(site.url("c"),), package=Package("c==1", "0")))
    assert place.raw_files() == FILES


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_content_is_not_kept_for_the_next_run(place: Place, site: Site, bad: bytes) -> None:
    site.content = bad
    source = replace(SOURCE, urls=(site.url("c"),))
    with pytest.raises(DownloadError):
        place.fetch(source)
    site.content = ZIP
    place.fetch(source)
    assert place.raw_files() == FILES


def test_the_error_lists_each_source_and_the_next_step(place: Place, site: Site) -> None:
    site.content = b"<html>"
    refused, other = "http://127.0.0.1:1/c.zip", site.url("c.zip")
    with pytest.raises(DownloadError) as error:
        place.fetch(replace(SOURCE, urls=(refused, other)))
    assert str(error.value).splitlines() == [
        "tiny could not be downloaded",
        "  got: ",
        f"    1. {refused}: the download failed; got: Connection refused",
        f"    2. {other}: c.data and c.test not found in it",
        "  expected: c.data (100,000 bytes), c.test (36,000 bytes)",
        "  next: try again later (an interrupted download is resumed), or get the files from "
        "https://example.org/census (the Download button), set source.path in conf/tiny/data.yaml "
        "to a folder with c.data and c.test, then run: dvc repro",
    ]
    assert place.nothing_written()


def test_the_error_for_a_source_without_urls_has_a_next_step(place: Place) -> None:
    with pytest.raises(DownloadError, match=r"set source\.path in conf/tiny/data\.yaml"):
        place.fetch()


def test_a_failure_leaves_earlier_files_unchanged(place: Place) -> None:
    place.raw.mkdir(parents=True)
    (place.raw / "c.data").write_bytes(b"before")
    with pytest.raises(DownloadError):
        place.fetch()
    assert place.raw_files() == {"c.data": b"before"}


def test_success_replaces_earlier_files(place: Place) -> None:
    place.raw.mkdir(parents=True)
    (place.raw / "stray").touch()
    place.fetch(local=place.put(FILES))
    assert place.raw_files() == FILES


def progress_that_raises(error: BaseException) -> Any:
    @contextmanager
    def progress(title: str, total: float | None) -> Iterator[Any]:
        def report(done: float, note: str = "") -> None:
            if title.endswith("c.test"):
                raise error

        yield report

    return progress


def test_an_interruption_while_unpacking_keeps_the_download(
    place: Place, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.content = ZIP
    source = replace(SOURCE, urls=(site.url("c.zip"),))
    with monkeypatch.context() as patch:
        patch.setattr(download, "progress", progress_that_raises(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            place.fetch(source)
    assert place.nothing_written()
    place.fetch(source)
    assert len(site.requests) == 1


def test_an_interruption_while_downloading_leaves_no_raw_files(
    place: Place, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(size: int, limit: int) -> None:
        raise KeyboardInterrupt

    site.content = ZIP
    monkeypatch.setattr("emm.data.fetch.transfer._check_limit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        place.fetch(replace(SOURCE, urls=(site.url("c.zip"),)))
    assert place.nothing_written()


def test_a_full_disk_is_an_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(download, "progress", progress_that_raises(full))
    with pytest.raises(OutOfSpaceError, match="free space"):
        place.fetch(local=place.put(FILES))
    assert place.nothing_written()
