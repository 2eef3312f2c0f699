"""Proof that a text file has the published lines; line ends, blank and comment lines may differ."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from emm.core.errors import DataError


def digest_of_lines(path: Path, comment: str) -> str:
    """sha256 of a file's lines, each ended by one line feed, without blank and comment lines.

    ``comment``: what a comment line starts with.
    """
    digest, mark = hashlib.sha256(), comment.encode()
    with path.open("rb") as file:
        for line in file:
            text = line.rstrip()
            if text and not text.startswith(mark):
                digest.update(text + b"\n")
    return digest.hexdigest()


def same_lines(sha256: str, comment: str = "|") -> Callable[[Path], None]:
    """A proof for `RawFile`; ``sha256`` is the digest of the published file's lines."""
    return partial(_check_lines, sha256=sha256, comment=comment)


def _check_lines(path: Path, sha256: str, comment: str) -> None:
    got = digest_of_lines(path, comment)
    if got != sha256:
        raise DataError(
            f"{path.name} is not the file that was published",
            got=f"lines of sha256 {got}",
            expected=f"sha256 {sha256}",
        )
