"""Open text files of any encoding as UTF-8."""

import codecs
import io
from pathlib import Path
from typing import IO, Any

from emm.core.errors import DataError

UTF8 = "utf-8"
_READ_BYTES = 2**20


def open_utf8(path: Path, encoding: str = UTF8) -> IO[bytes]:
    """Open a text file for reading as UTF-8. One that is in UTF-8 already is not checked."""
    file = path.open("rb")
    if same_encoding(encoding, UTF8):
        return file
    return io.BufferedReader(_AsUtf8(path, file, encoding), _READ_BYTES)


def same_encoding(one: str, other: str) -> bool:
    """Whether two names are those of the same encoding, such as utf-8 and UTF8."""
    return codecs.lookup(one).name == codecs.lookup(other).name


class _AsUtf8(io.RawIOBase):
    """Decode a file piece by piece; DataError if it isn't in the encoding."""

    def __init__(self, path: Path, file: IO[bytes], encoding: str) -> None:
        self._path, self._file, self._encoding = path, file, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b"."
        while data and not self._pending:
            data = self._file.read(_READ_BYTES)
            self._pending = self._decoded(data).encode()
        found, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _decoded(self, data: bytes) -> str:
        try:
            return self._decoder.decode(data, final=not data)
        except UnicodeError as error:
            raise DataError(
                f"{self._path.name} isn't text in {self._encoding}",
                where=self._path,
                got=str(error),
                next_step="correct `encoding` in the section custom, such as utf-16 or latin-1",
            ) from error
