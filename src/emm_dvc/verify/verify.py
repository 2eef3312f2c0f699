"""Compare files with the hashes in dvc.lock; what is damaged, and how to repair it."""

import random
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emm_dvc.verify.outs import FOLDER, Out, files_in, folder_md5, read_list
from emm_dvc.verify.stores import Read, Store, content, digest


@dataclass(frozen=True)
class Damage:
    """Bytes that differ from dvc.lock: the store, the out, the path, and how to repair them."""

    place: str
    out: Out
    where: str
    got: str
    expected: str
    repair: str


@dataclass
class Findings:
    """The results of a check; ``missing`` has (place, path) of files that aren't there."""

    damaged: list[Damage] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    files: int = 0


@dataclass(frozen=True)
class Object:
    """A file that a store keeps by its md5, and the out that it belongs to."""

    out: Out
    path: Path
    md5: str


def verify_workspace(root: Path, outs: Sequence[Out], cache: Store, read: Read) -> Findings:
    """Hash the outs in the workspace."""
    found = Findings()
    for out in outs:
        path = root / out.path
        if not path.exists():
            found.missing.append(("workspace", str(out.path)))
        elif out.md5.endswith(FOLDER):
            _verify_folder(found, root, out, cache, read)
        else:
            _verify_file(found, root, out, out.path, out.md5, read)
    return found


def verify_store(store: Store, objects: Sequence[Object], repair: "Repair", read: Read) -> Findings:
    """Hash objects in a store."""
    found = Findings()
    for each in objects:
        try:
            with store.open(each.md5) as file:
                got = digest(file, read) + (FOLDER if each.md5.endswith(FOLDER) else "")
        except FileNotFoundError:
            found.missing.append((store.place, str(each.path)))
            continue
        found.files += 1
        if got != each.md5:
            where, steps = store.where(each.md5), repair(each, store)
            found.damaged.append(Damage(store.place, each.out, where, got, each.md5, steps))
    return found


def objects_of(outs: Sequence[Out], stores: Sequence[Store]) -> list[Object]:
    """The objects of the cached outs, each once.

    The list of a folder is read from the first of ``stores`` with an undamaged one.
    """
    found: dict[str, Object] = {}
    for out in outs:
        if out.cached:
            for each in _objects(out, stores):
                found.setdefault(each.md5, each)
    return list(found.values())


def sampled(objects: Sequence[Object], count: int | None) -> list[Object]:
    """``count`` objects, drawn at random in each call, or all of them for None."""
    if count is None or count >= len(objects):
        return list(objects)
    return random.SystemRandom().sample(objects, count)


Repair = Callable[[Object, Store], str]


def repair_cache(good: Callable[[Out], bool]) -> Repair:
    """How to repair an object of the cache; ``good``: whether an out is intact in the workspace."""

    def steps(damaged: Object, store: Store) -> str:
        stage = shlex.quote(damaged.out.stage)
        remove = f"rm -f {shlex.quote(store.where(damaged.md5))}"
        if good(damaged.out):
            return f"{remove} && dvc commit --force {stage}"
        return f"{remove} && dvc fetch {stage}   (no remote has it: dvc repro --force {stage})"

    return steps


def repair_remote(name: str) -> Repair:
    """How to repair an object of a remote, which `dvc push` never replaces.

    The list of a folder must be deleted, too: while it exists, DVC assumes that its files do.
    """

    def steps(damaged: Object, store: Store) -> str:
        push = f"dvc push --remote {shlex.quote(name)} {shlex.quote(damaged.out.stage)}"
        objects = dict.fromkeys([damaged.md5, damaged.out.md5])
        those = " and ".join(map(store.where, objects))
        return f"delete {those}, then in a clone where `emm verify` finds nothing: {push}"

    return steps


def _verify_folder(found: Findings, root: Path, out: Out, cache: Store, read: Read) -> None:
    files = _list(out, [cache]) if out.cached else None
    if files is not None:
        for name, md5 in files.items():
            _verify_file(found, root, out, out.path / name, md5, read)
        return
    folder = root / out.path
    got = folder_md5({name: _md5(folder / name, read) for name in files_in(folder)})
    found.files += 1
    if got != out.md5:
        found.damaged.append(_altered(out, out.path, got, out.md5))


def _verify_file(found: Findings, root: Path, out: Out, path: Path, md5: str, read: Read) -> None:
    found.files += 1
    got = _md5(root / path, read) if (root / path).is_file() else "no file"
    if got != md5:
        found.damaged.append(_altered(out, path, got, md5))


def _altered(out: Out, path: Path, got: str, expected: str) -> Damage:
    # Removed first: DVC trusts a file whose size and time haven't changed.
    name = shlex.quote(str(out.path))
    stage = shlex.quote(out.stage)
    back = f"dvc checkout --force {stage}" if out.cached else f"git checkout -- {name}"
    repair = f"rm -r {name} && {back}   (or, if the change is wanted: dvc repro)"
    return Damage("workspace", out, str(path), got, expected, repair)


def _objects(out: Out, stores: Sequence[Store]) -> Iterator[Object]:
    yield Object(out, out.path, out.md5)
    if out.md5.endswith(FOLDER):
        for name, md5 in (_list(out, stores) or {}).items():
            yield Object(out, out.path / name, md5)


def _list(out: Out, stores: Sequence[Store]) -> dict[str, str] | None:
    for store in stores:
        try:
            files = read_list(content(store, out.md5), out.md5)
        except FileNotFoundError:
            continue
        if files is not None:
            return files
    return None


def _md5(path: Path, read: Read) -> str:
    with path.open("rb") as file:
        return digest(file, read)
