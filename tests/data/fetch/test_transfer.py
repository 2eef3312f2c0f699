import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emm.core.errors import DataError, DownloadError, OutOfSpaceError
from emm.data.fetch import transfer
from emm.data.fetch.transfer import downloaded, forget
from tests.data.fetch.site import Site

CONTENT = bytes(range(256)) * 4000
CUT = 300_000
LIMIT = 2 * len(CONTENT)


def fetch(site: Site, cache: Path, limit: int = LIMIT) -> bytes:
    with downloaded(site.url("file.zip"), cache, limit=limit) as path:
        return path.read_bytes()


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


@pytest.fixture
def broken_off(site: Site, tmp_path: Path) -> Site:
    """The site after an interrupted download, working again."""
    site.content, site.cut = CONTENT, CUT
    with pytest.raises(DownloadError):
        fetch(site, tmp_path)
    site.cut = None
    site.requests.clear()
    return site


def test_the_file_is_named_as_in_the_url(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT
    with downloaded(site.url("a/census+income%20kdd.zip?x=1"), tmp_path, limit=LIMIT) as path:
        assert (path.name, path.read_bytes()) == ("census+income kdd.zip", CONTENT)


def test_a_finished_download_is_used_again(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT
    first, second = fetch(site, tmp_path), fetch(site, tmp_path)
    assert first == second
    assert len(site.requests) == 1


def test_two_urls_with_the_same_file_name_do_not_collide(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT
    with (
        downloaded(site.url("a/f.zip"), tmp_path, limit=LIMIT) as one,
        downloaded(site.url("b/f.zip"), tmp_path, limit=LIMIT) as other,
    ):
        assert one != other


def test_uncompressed_transfer_is_requested(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT
    fetch(site, tmp_path)
    assert site.requests[0]["Accept-Encoding"] == "identity"


def test_content_is_stored_as_sent_regardless_of_its_encoding(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT
    site.headers["Content-Encoding"] = "gzip"
    assert fetch(site, tmp_path) == CONTENT


def test_a_truncated_download_is_an_error_and_the_part_is_kept(site: Site, tmp_path: Path) -> None:
    site.content, site.cut = CONTENT, CUT
    with pytest.raises(DownloadError, match="300,000 bytes are kept"):
        fetch(site, tmp_path)
    assert files(tmp_path) == ["file.zip.part", "file.zip.part.validator"]


def test_only_the_rest_is_fetched_the_next_time(broken_off: Site, tmp_path: Path) -> None:
    assert fetch(broken_off, tmp_path) == CONTENT
    (request,) = broken_off.requests
    assert (request["Range"], request["If-Range"]) == (f"bytes={CUT}-", '"one"')


def test_only_the_file_remains_after_success(broken_off: Site, tmp_path: Path) -> None:
    with downloaded(broken_off.url("file.zip"), tmp_path, limit=LIMIT) as path:
        assert not path.with_name("file.zip.part").exists()
    forget(broken_off.url("file.zip"), tmp_path)
    assert files(tmp_path) == []


CHANGED = CONTENT[::-1]
ANOMALIES: dict[str, dict[str, Any]] = {
    "changed since": {"content": CHANGED, "headers": {"ETag": '"two"'}},
    "changed, and If-Range not supported": {
        "content": CHANGED,
        "headers": {"ETag": '"two"'},
        "supports_if_range": False,
    },
    "changed and shorter": {
        "content": CHANGED[: CUT // 2],
        "headers": {"ETag": '"two"'},
        "supports_if_range": False,
    },
    "no ranges": {"ranges": False},
    "another range than requested": {"range_start_off_by": 1},
}


@pytest.mark.parametrize("anomaly", ANOMALIES.values(), ids=ANOMALIES)
def test_a_download_that_can_not_be_resumed_starts_over(
    broken_off: Site, tmp_path: Path, anomaly: dict[str, Any]
) -> None:
    vars(broken_off).update(anomaly)
    assert fetch(broken_off, tmp_path) == broken_off.content


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_strong_validator_nothing_is_resumed(
    site: Site, tmp_path: Path, headers: dict[str, str]
) -> None:
    site.content, site.cut, site.headers = CONTENT, CUT, headers
    with pytest.raises(DownloadError):
        fetch(site, tmp_path)
    site.cut = None
    assert fetch(site, tmp_path) == CONTENT
    assert "Range" not in site.requests[-1]


def test_last_modified_is_a_validator_too(site: Site, tmp_path: Path) -> None:
    date = "Tue, 07 Mar 2000 08:00:00 GMT"
    site.content, site.cut, site.headers = CONTENT, CUT, {"Last-Modified": date}
    with pytest.raises(DownloadError):
        fetch(site, tmp_path)
    site.cut = None
    assert fetch(site, tmp_path) == CONTENT
    assert site.requests[-1]["If-Range"] == date


def test_a_range_that_ends_early_is_an_error(broken_off: Site, tmp_path: Path) -> None:
    broken_off.range_limit = 1000
    with pytest.raises(DownloadError, match=r"301,000 of 1,024,000 bytes arrived"):
        fetch(broken_off, tmp_path)


@pytest.mark.parametrize("sends_length", [True, False])
def test_a_download_over_the_limit_is_an_error_and_not_kept(
    site: Site, tmp_path: Path, sends_length: bool
) -> None:
    site.content, site.sends_length = CONTENT, sends_length
    with pytest.raises(DataError, match="larger than allowed"):
        fetch(site, tmp_path, limit=len(CONTENT) - 1)
    assert files(tmp_path) == []


def test_an_http_error_is_reported(site: Site, tmp_path: Path) -> None:
    site.status = 404
    with pytest.raises(DownloadError, match="404"):
        fetch(site, tmp_path)


def test_an_error_page_is_not_appended_to_the_part(broken_off: Site, tmp_path: Path) -> None:
    broken_off.status, broken_off.ranges = 503, False
    with pytest.raises(DownloadError, match="503"):
        fetch(broken_off, tmp_path)
    broken_off.status, broken_off.ranges = 200, True
    assert fetch(broken_off, tmp_path) == CONTENT


def test_a_refused_connection_is_reported_in_plain_words(site: Site, tmp_path: Path) -> None:
    site.address = "http://127.0.0.1:1"
    with pytest.raises(DownloadError, match=r"got: Connection refused$"):
        fetch(site, tmp_path)


def test_a_server_that_stops_sending_times_out(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "READ_SECONDS", 0.05)
    site.content, site.cut, site.hangs = CONTENT, CUT, threading.Event()
    with pytest.raises(DownloadError, match="timed out"):
        fetch(site, tmp_path)


def raises_after(error: BaseException, calls: int) -> Any:
    @contextmanager
    def progress(title: str, total: float | None) -> Iterator[Any]:
        count = iter(range(calls))

        def report(done: float, note: str = "") -> None:
            if next(count, None) is None:
                raise error

        yield report

    return progress


def test_an_interrupted_download_is_resumed_the_next_time(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.content = CONTENT
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "progress", raises_after(KeyboardInterrupt(), calls=1))
        with pytest.raises(KeyboardInterrupt):
            fetch(site, tmp_path)
    assert files(tmp_path) == ["file.zip.part", "file.zip.part.validator"]
    assert fetch(site, tmp_path) == CONTENT
    assert site.requests[-1]["Range"] != "bytes=0-"


def test_a_full_disk_is_reported(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.content = CONTENT
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(transfer, "progress", raises_after(full, calls=0))
    with pytest.raises(OutOfSpaceError, match=r"file\.zip\.part could not be written"):
        fetch(site, tmp_path)


def test_content_that_the_caller_rejects_is_deleted(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT
    with pytest.raises(DataError), downloaded(site.url("f.zip"), tmp_path, limit=LIMIT):
        raise DataError("not the published file")
    assert files(tmp_path) == []
