"""Own data as a source: files of any name that a person puts in place."""

from collections.abc import Sequence

from emm.data.datasets.source import RawFile, Source

PATTERNS = ("*.csv", "*.parquet")
"""What is taken where no file is named: all files of one of these kinds."""

_MAX_BYTES = 2**40


def custom_source(name: str, patterns: Sequence[str]) -> Source:
    """The source of own data: files of each of these names or globs, or of one of `PATTERNS`."""
    named = tuple(RawFile(pattern, pattern=True) for pattern in patterns)
    first, *others = PATTERNS
    return Source(
        title=name,
        homepage="",
        doi=None,
        licence="",
        citation="",
        files=named or (RawFile(first, aliases=tuple(others), pattern=True),),
        urls=(),
        package=None,
        max_bytes=_MAX_BYTES,
        by_hand="",
    )
