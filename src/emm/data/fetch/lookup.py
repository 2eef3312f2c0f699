"""Match the files of a folder or archive with those of a source."""

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from emm.core.errors import DataError
from emm.data.datasets.source import RawFile, Source, unpacked_name

_SUBFOLDERS = ("*/*", "*/*/*")


class Missing(Container[str]):
    """The names under which a source's missing files can be found."""

    def __init__(self, source: Source) -> None:
        self._files = source.files
        self._found: set[RawFile] = set()
        self._names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        file = file_called(str(name), self._files)
        return file is not None and file.stored_as(str(name)) not in self._names

    def take(self, name: str) -> tuple[RawFile, str]:
        """Mark the file called ``name`` as found; return it and the name to store it under."""
        file = file_called(name, self._files)
        if file is None:
            raise KeyError(name)
        self._found.add(file)
        self._names.add(file.stored_as(name))
        return file, file.stored_as(name)

    @property
    def names(self) -> list[str]:
        """Files and patterns of which nothing has been found."""
        return [file.called for file in self._files if file not in self._found]

    @property
    def more(self) -> bool:
        """Whether to search on. A pattern can always match further files."""
        return bool(self.names) or any(file.pattern for file in self._files)


def file_called(name: str, files: Iterable[RawFile]) -> RawFile | None:
    """The file that matches ``name``; an exact name takes precedence over a pattern."""
    ordered = sorted(files, key=lambda file: file.pattern)
    return next((file for file in ordered if file.matches(name)), None)


def candidates(local: Path, source: Source) -> Iterator[list[Path]]:
    """Yield groups of files to search; each is needed only if the ones before it don't suffice.

    Of a folder: its files with matching names, those in its subfolders, then its other files,
    which may be archives. Raises DataError if the folder can't be read.
    """
    if not local.is_dir():
        yield [local]
        return
    try:
        near = sorted(path for path in local.iterdir() if path.is_file())
    except OSError as error:
        raise DataError("the folder can't be read", got=error.strerror) from error
    matching = [path for path in near if _matches(path, source)]
    yield matching
    far = (path for glob in _SUBFOLDERS for path in local.glob(glob))
    yield sorted(path for path in far if _matches(path, source) and path.is_file())
    yield [path for path in near if path not in matching]


def _matches(path: Path, source: Source) -> bool:
    names = (path.name, unpacked_name(path.name))
    return any(file_called(name, source.files) for name in names)
