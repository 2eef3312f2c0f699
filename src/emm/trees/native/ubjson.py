"""Universal Binary JSON, in which XGBoost saves ``.ubj`` files: https://ubjson.org, draft 12.

Values are read as what `json.loads` gives for the same document, except that arrays of numbers of
one type are NumPy arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMBERS: Mapping[bytes, str] = {
    b"i": ">i1",
    b"U": ">u1",
    b"I": ">i2",
    b"l": ">i4",
    b"L": ">i8",
    b"d": ">f4",
    b"D": ">f8",
}
CONSTANTS: Mapping[bytes, Any] = {b"Z": None, b"T": True, b"F": False}
DEEPEST = 64  # nested arrays and objects


def parse(content: bytes) -> Any:
    """The document. Raises ValueError if it is damaged, or nested too deeply."""
    reader = _Reader(content)
    value = reader.value(reader.take(1), DEEPEST)
    if content[reader.position :].strip(b"N"):
        raise ValueError(f"bytes follow its end at {reader.position}")
    return value


@dataclass
class _Reader:
    content: bytes
    position: int = 0

    def take(self, size: int) -> bytes:
        start, self.position = self.position, self.position + size
        if size < 0 or self.position > len(self.content):
            raise ValueError(f"it ends within a value that starts at byte {start}")
        return self.content[start : self.position]

    def value(self, marker: bytes, depth: int) -> Any:
        """The value of this type; ``depth``: how many levels of nesting are still allowed."""
        if depth < 0:
            raise ValueError("it is nested too deeply")
        if marker in CONSTANTS:
            return CONSTANTS[marker]
        if marker in NUMBERS:
            return self.numbers(marker, 1)[0].item()
        if marker in (b"S", b"C"):
            return self.text(1 if marker == b"C" else self.count())
        if marker == b"[":
            return self.array(depth)
        if marker == b"{":
            return self.mapping(depth)
        raise ValueError(f"byte {self.position - 1} is no type: {marker!r}")

    def numbers(self, marker: bytes, count: int) -> Any:
        kind = np.dtype(NUMBERS[marker])
        values = np.frombuffer(self.take(kind.itemsize * count), kind)
        return values.astype(kind.newbyteorder("="))

    def count(self) -> int:
        """A length, stored as a number with its type."""
        marker = self.take(1)
        if marker not in NUMBERS or marker in (b"d", b"D"):
            raise ValueError(f"byte {self.position - 1} is no length")
        found = int(self.numbers(marker, 1)[0])
        if found < 0:
            raise ValueError(f"a length before byte {self.position} is negative")
        return found

    def text(self, size: int) -> str:
        return self.take(size).decode("utf-8")

    def sizes(self) -> tuple[bytes | None, int | None]:
        """The type of all values and their count, if the container declares them."""
        kind = count = None
        if self.peek() == b"$":
            self.take(1)
            kind = self.take(1)
        if self.peek() == b"#":
            self.take(1)
            count = self.count()
        if kind is not None and count is None:
            raise ValueError(f"an array at byte {self.position} has a type without a length")
        if count is not None and kind not in CONSTANTS and count > len(self.content):
            raise ValueError(f"an array at byte {self.position} is longer than the file")
        return kind, count

    def peek(self) -> bytes:
        return self.content[self.position : self.position + 1]

    def array(self, depth: int) -> Any:
        kind, count = self.sizes()
        if kind in NUMBERS and kind is not None and count is not None:
            return self.numbers(kind, count)
        if kind in CONSTANTS:
            raise ValueError(f"an array at byte {self.position} repeats a constant")
        found: list[Any] = []
        while self.more(b"]", count, len(found)):
            found.append(self.value(kind or self.take(1), depth - 1))
        return found

    def mapping(self, depth: int) -> dict[str, Any]:
        kind, count = self.sizes()
        if kind in CONSTANTS:
            raise ValueError(f"an object at byte {self.position} repeats a constant")
        found: dict[str, Any] = {}
        read = 0
        while self.more(b"}", count, read):
            key = self.text(self.count())
            found[key] = self.value(kind or self.take(1), depth - 1)
            read += 1
        return found

    def more(self, end: bytes, count: int | None, read: int) -> bool:
        """Whether a value follows in a container; takes the mark at the end of one of no count."""
        if count is not None:
            return read < count
        while self.peek() == b"N":
            self.take(1)
        if self.peek() != end:
            return True
        self.take(1)
        return False
