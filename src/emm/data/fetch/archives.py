"""Find files by name in zip, tar and compressed files, also nested ones, without unpacking them.

Members are yielded as streams, so no name in an archive determines where a file is written.
Members that would be unsafe to unpack are refused nevertheless.
"""

import bz2
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from emm.core.errors import DataError
from emm.core.files import writing
from emm.data.datasets.source import COMPRESSED, unpacked_name

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_DEPTH = 3
_BLOCK = 1 << 16
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR = slice(257, 262)  # position of "ustar" in a tar file


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


_COMPRESSED: dict[bytes, Callable[[IO[bytes]], _Readable]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": zstd.ZstdFile,
}
_DAMAGE = (
    OSError,
    EOFError,
    OverflowError,
    RuntimeError,  # zipfile: password required, or unknown compression
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    zstd.ZstdError,
)
_NO_ACCESS = (FileNotFoundError, IsADirectoryError, PermissionError)


@dataclass(frozen=True)
class Member:
    """A file that was found.

    Args:
        name: the wanted name that it matches.
        where: its path, including the archives that contain it.
        stream: its unpacked content, readable until the search continues.
    """

    name: str
    where: str
    stream: IO[bytes]


def find(
    path: Path, wanted: Container[str], *, limit: int, scratch: Path
) -> Generator[Member, None, None]:
    """Yield the files with a ``wanted`` name, compressed or not: ``path`` itself or in it.

    Args:
        limit: maximum number of bytes unpacked in total.
        scratch: folder for temporary copies of nested archives.

    Archives are searched down to ``MAX_DEPTH``. Raises DataError if an archive is damaged, unpacks
    to more than ``limit``, or has an unsafe member.
    """
    search = _Search(wanted, scratch, limit)
    with _damage(str(path)), path.open("rb") as file:
        yield from _visit(search, path.name, str(path), file, depth=0)


@dataclass
class _Search:
    """State of a search: what is wanted, and the number of bytes unpacked."""

    wanted: Container[str]
    scratch: Path
    limit: int
    unpacked: int = 0

    def charge(self, count: int, where: str) -> None:
        self.unpacked += count
        if self.unpacked > self.limit:
            raise DataError(
                "the archive unpacks to more than allowed",
                where=where,
                got=f"more than {self.limit:,} bytes",
                expected=f"at most {self.limit:,} bytes",
            )


class _Unpacking(io.RawIOBase):
    """Read ``inner``, count the bytes towards the limit, and raise DataError on damage."""

    def __init__(self, search: _Search, where: str, inner: _Readable) -> None:
        self._search, self._where, self._inner = search, where, inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage(self._where):
            data = self._inner.read(len(buffer))
        self._search.charge(len(data), self._where)
        buffer[: len(data)] = data
        return len(data)


def _unpacking(search: _Search, where: str, inner: _Readable) -> io.BufferedReader:
    return io.BufferedReader(_Unpacking(search, where, inner), _BLOCK)


@contextmanager
def _damage(where: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        problem = "can't be opened" if isinstance(error, _NO_ACCESS) else "is damaged or cut off"
        reason = error.strerror if isinstance(error, OSError) else None
        raise DataError(
            f"the file {problem}",
            where=where,
            got=reason or str(error) or type(error).__name__,
        ) from error


def _visit(
    search: _Search, name: str, where: str, stream: io.BufferedReader, depth: int
) -> Iterator[Member]:
    unpacked = unpacked_name(name)
    found = next((each for each in (name, unpacked) if each in search.wanted), None)
    if found is not None:
        compressed = name.endswith(COMPRESSED)
        content = _decompressed(search, where, stream) if compressed else stream
        yield Member(found, where, content)
    elif depth < MAX_DEPTH:
        yield from _members(search, where, stream, depth + 1)


def _members(
    search: _Search, where: str, stream: io.BufferedReader, depth: int
) -> Iterator[Member]:
    """Search ``stream`` if its first bytes, regardless of its name, are those of an archive."""
    stream = _decompressed(search, where, stream)
    head = stream.peek(_TAR.stop)
    with _damage(where):
        if head.startswith(_ZIP):
            yield from _zip_members(search, where, stream, depth)
        elif head[_TAR] == b"ustar":
            yield from _tar_members(search, where, stream, depth)


def _decompressed(search: _Search, where: str, stream: io.BufferedReader) -> io.BufferedReader:
    head = stream.peek(_TAR.stop)
    for magic, decompress in _COMPRESSED.items():
        if head.startswith(magic):
            return _unpacking(search, where, decompress(stream))
    return stream


def _zip_members(
    search: _Search, where: str, stream: io.BufferedReader, depth: int
) -> Iterator[Member]:
    with _seekable(search, stream) as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            plain = stat.S_IFMT(mode) in {0, stat.S_IFREG, stat.S_IFDIR}
            _refuse_unsafe(info.filename, where, plain=plain)
            if not info.is_dir():
                inner = f"{where} > {info.filename}"
                with _damage(inner), archive.open(info) as member:
                    content = _unpacking(search, inner, member)
                    yield from _visit(search, _base(info.filename), inner, content, depth)


def _tar_members(
    search: _Search, where: str, stream: io.BufferedReader, depth: int
) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in archive:
            _refuse_unsafe(info.name, where, plain=info.isfile() or info.isdir())
            member = archive.extractfile(info)
            if member is not None:
                inner = f"{where} > {info.name}"
                content = _unpacking(search, inner, member)
                yield from _visit(search, _base(info.name), inner, content, depth)


@contextmanager
def _seekable(search: _Search, stream: io.BufferedReader) -> Iterator[IO[bytes]]:
    """Yield ``stream``, or a temporary copy if it isn't seekable, which zip files have to be."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile(dir=search.scratch) as copy:
        with writing(search.scratch):
            shutil.copyfileobj(stream, copy, _BLOCK)
            copy.seek(0)
        yield copy


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _refuse_unsafe(name: str, where: str, *, plain: bool) -> None:
    path = name.replace("\\", "/")
    leaves = path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path)
    if not path or leaves or not plain:
        raise DataError(
            "the archive has a member that isn't safe to unpack",
            where=where,
            got=f"{name!r}" + ("" if plain else ", a link or device"),
            expected="plain files and folders with relative paths below the archive",
        )
