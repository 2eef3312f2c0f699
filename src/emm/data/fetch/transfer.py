"""Download one URL into a cache folder; an interrupted download continues where it stopped."""

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
    """Yield the content of ``url`` as a file in ``cache``, fetched unless it is there already.

    Raises DownloadError (no answer, a refusal, the end came too early), and then keeps in
    ``cache`` what has arrived, for the next call to continue; DataError (more than ``limit``
    bytes), and then keeps nothing, as when the caller raises one over the content.
    """
    target = _place(url, cache)
    try:
        if not target.exists():
            _download(url, target, limit)
        yield target
    except DataError:
        forget(url, cache)
        raise


def forget(url: str, cache: Path) -> None:
    """Remove what ``cache`` holds of ``url``, whole or in part."""
    shutil.rmtree(_place(url, cache).parent, ignore_errors=True)


def _place(url: str, cache: Path) -> Path:
    """A folder for each URL, and in it the file by the name that the URL gives it."""
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
    # A server that compresses on the way would make lengths and ranges those of other bytes.
    headers = {"Accept-Encoding": "identity", **headers}
    return requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS))


def _resume_headers(part: Path) -> dict[str, str]:
    """Ask for the rest of ``part``, or for the whole if the file has changed since (If-Range)."""
    validator = _remembered(part)
    if not (validator and part.exists() and part.stat().st_size):
        return {}
    return {"Range": f"bytes={part.stat().st_size}-", "If-Range": validator}


def _continues(response: requests.Response, part: Path) -> bool:
    """Whether the body is the rest of ``part``: of the same version, from the right byte."""
    size = part.stat().st_size if part.exists() else 0
    same = _validator(response) == _remembered(part)
    return same and _content_range(response)[0] == size


def _start_over(response: requests.Response, part: Path) -> None:
    # In this order: bytes of one version never lie beside the validator of another.
    part.unlink(missing_ok=True)
    write_text(_note(part), _validator(response))


def _receive(response: requests.Response, url: str, part: Path, limit: int) -> None:
    total = _total(response)
    with writing(part), part.open("ab") as file, progress(f"Downloading {url}", total) as report:
        size = file.tell()
        _check_limit(max(size, total or 0), limit)
        # Undecoded, so that what is stored and counted is what the server's lengths speak of.
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
            "the download is larger than it should be",
            got=f"{size:,} bytes or more",
            expected=f"at most {limit:,} bytes",
        )


def _total(response: requests.Response) -> int | None:
    """Size of the whole file, as far as the server says."""
    if response.status_code == 206:
        return _content_range(response)[1]
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """First byte of the body and size of the whole file, each None where the server is silent."""
    header = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.strip())
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _validator(response: requests.Response) -> str:
    """What tells this version of the file from others; a weak ETag isn't enough for a range."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _remembered(part: Path) -> str:
    note = _note(part)
    return note.read_text(encoding="utf-8") if note.exists() else ""


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.validator")


@contextmanager
def _failures(part: Path) -> Iterator[None]:
    """Turn what can go wrong on the way into a DownloadError."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        kept = part.stat().st_size if _resume_headers(part) else 0
        more = f" ({kept:,} bytes are kept to continue from)" if kept else ""
        raise DownloadError("the download failed", got=_root(error) + more) from error


def _root(error: BaseException) -> str:
    """The plain reason, such as "Connection refused", below the layers of the HTTP libraries."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error) or type(error).__name__
