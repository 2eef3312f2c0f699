"""Download a URL into a cache folder, resuming an interrupted download."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from emm.core.errors import DataError, DownloadError
from emm.core.files import write_text, writing
from emm.core.progress import progress

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
_CHUNK = 1 << 18


@contextmanager
def downloaded(url: str, cache: Path, *, limit: int) -> Iterator[Path]:
    """Yield the content of ``url`` as a file in ``cache``, downloading it if necessary.

    Raises DownloadError if the download fails; the part received stays in ``cache``, and the next
    call resumes it. Raises DataError for more than ``limit`` bytes; then, and if the caller raises
    a DataError about the content, nothing stays in ``cache``.
    """
    target = _cached_file(url, cache)
    try:
        if not target.exists():
            _download(url, target, limit)
        yield target
    except DataError:
        forget(url, cache)
        raise


def forget(url: str, cache: Path) -> None:
    """Remove a complete or partial download of ``url`` from ``cache``."""
    shutil.rmtree(_cached_file(url, cache).parent, ignore_errors=True)


def _cached_file(url: str, cache: Path) -> Path:
    """Path of the file in ``cache``: a folder for each URL, the name as in the URL."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return cache / hashlib.sha256(url.encode()).hexdigest()[:16] / (name or "download")


def _download(url: str, target: Path, limit: int) -> None:
    part = target.with_name(f"{target.name}.part")
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    with _failures(part), ExitStack() as stack:
        response = stack.enter_context(_get(url, _resume_headers(part)))
        if response.status_code in {206, 416} and not _continues(response, part):
            part.unlink(missing_ok=True)
            response = stack.enter_context(_get(url, {}))
        response.raise_for_status()
        if not _continues(response, part):
            _start_over(response, part)
        _receive(response, url, part, limit)
    with writing(target):
        part.replace(target)


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    # With transport compression, lengths and ranges would refer to the compressed bytes.
    headers = {"Accept-Encoding": "identity", **headers}
    return requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS))


def _resume_headers(part: Path) -> dict[str, str]:
    """Headers that request the rest of ``part``, or the complete file if it has changed since."""
    validator = _stored_validator(part)
    if not (validator and part.exists() and part.stat().st_size):
        return {}
    return {"Range": f"bytes={part.stat().st_size}-", "If-Range": validator}


def _continues(response: requests.Response, part: Path) -> bool:
    """Whether the response continues ``part``: the same version, from the right byte on."""
    size = part.stat().st_size if part.exists() else 0
    same = _validator(response) == _stored_validator(part)
    return same and _content_range(response)[0] == size


def _start_over(response: requests.Response, part: Path) -> None:
    # In this order, so that the stored validator is never one of another version than the bytes.
    part.unlink(missing_ok=True)
    write_text(_validator_file(part), _validator(response))


def _receive(response: requests.Response, url: str, part: Path, limit: int) -> None:
    total = _total(response)
    with writing(part), part.open("ab") as file, progress(f"Downloading {url}", total) as report:
        size = file.tell()
        _check_limit(max(size, total or 0), limit)
        # Not decoded, so that the byte counts agree with the server's lengths.
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            size += len(chunk)
            _check_limit(size, limit)
            file.write(chunk)
            report(size)
    if total is not None and size != total:
        raise urllib3.exceptions.ProtocolError(f"{size:,} of {total:,} bytes arrived")


def _check_limit(size: int, limit: int) -> None:
    if size > limit:
        raise DataError(
            "the download is larger than allowed",
            got=f"{size:,} bytes or more",
            expected=f"at most {limit:,} bytes",
        )


def _total(response: requests.Response) -> int | None:
    """Size of the complete file; None if the server doesn't state it."""
    if response.status_code == 206:
        return _content_range(response)[1]
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """First byte of the body and size of the complete file; None for what isn't stated."""
    header = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.strip())
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _validator(response: requests.Response) -> str:
    """Identifier of this version of the file; a weak ETag isn't valid for ranges."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _stored_validator(part: Path) -> str:
    file = _validator_file(part)
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.validator")


@contextmanager
def _failures(part: Path) -> Iterator[None]:
    """Convert errors of the HTTP libraries to DownloadError."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        kept = part.stat().st_size if _resume_headers(part) else 0
        more = f" ({kept:,} bytes are kept, the next attempt resumes)" if kept else ""
        raise DownloadError("the download failed", got=_root(error) + more) from error


def _root(error: BaseException) -> str:
    """The root cause, such as "Connection refused"."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error) or type(error).__name__
