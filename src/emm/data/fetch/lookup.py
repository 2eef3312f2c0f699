"""Which files of a folder or an archive are those that a source consists of."""

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from emm.core.errors import DataError
from emm.data.datasets.source import RawFile, Source

_SUBFOLDERS = ("*/*", "*/*/*")


class Missing(Container[str]):
    """The names under which a source's files can still be found, each of them once."""

    def __init__(self, source: Source) -> None:
        self._files = source.files
        self._met: set[RawFile] = set()
        self._kept: set[str] = set()

    def __contains__(self, name: object) -> bool:
        file = file_called(str(name), self._files)
        return file is not None and file.kept_as(str(name)) not in self._kept

    def take(self, name: str) -> tuple[RawFile, str]:
        """The file that is found as ``name``, no longer missing, and the name to keep it under."""
        file = file_called(name, self._files)
        if file is None:
            raise KeyError(name)
        self._met.add(file)
        self._kept.add(file.kept_as(name))
        return file, file.kept_as(name)

    @property
    def names(self) -> list[str]:
        """What hasn't been found at all."""
        return [file.called for file in self._files if file not in self._met]

    @property
    def more(self) -> bool:
        """Whether anything can still be found: a pattern never knows that it has all its files."""
        return bool(self.names) or any(file.pattern for file in self._files)


def file_called(name: str, files: Iterable[RawFile]) -> RawFile | None:
    """The file published as ``name``: the one of that very name before one of a pattern."""
    ordered = sorted(files, key=lambda file: file.pattern)
    return next((file for file in ordered if file.answers_to(name)), None)


def candidates(local: Path, source: Source) -> Iterator[list[Path]]:
    """The files in which to look, in groups: a group counts if those before it don't suffice.

    In a folder: its own files that are named as wanted, those in its subfolders, then its other
    files, which may be archives. Raises DataError if the folder can't be read.
    """
    if not local.is_dir():
        yield [local]
        return
    try:
        near = sorted(path for path in local.iterdir() if path.is_file())
    except OSError as error:
        raise DataError("the folder can't be read", got=error.strerror) from error
    named = [path for path in near if _wanted(path, source)]
    yield named
    far = (path for glob in _SUBFOLDERS for path in local.glob(glob))
    yield sorted(path for path in far if _wanted(path, source) and path.is_file())
    yield [path for path in near if path not in named]


def _wanted(path: Path, source: Source) -> bool:
    names = (path.name, path.name.removesuffix(".gz"))
    return any(file_called(name, source.files) for name in names)
