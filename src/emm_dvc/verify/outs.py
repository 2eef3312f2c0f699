"""The outs in dvc.lock, and DVC's lists of the files in a folder."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from emm.core.errors import EmmError
from emm_dvc.graph import read_stages

LARGEST_LOCK = 64 * 2**20  # bytes
LARGEST_LIST = 64 * 2**20  # bytes
BLOCK = 2**20  # bytes read at a time
FOLDER = ".dir"

_MD5 = re.compile(r"[0-9a-f]{32}")
# Raised when a file has another structure than expected.
_MISFITS = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class VerifyError(EmmError):
    """A file with the expected hashes can't be used."""


@dataclass(frozen=True)
class Out:
    """An out of a stage.

    Attributes:
        stage: its name, as DVC's commands take it.
        path: from the project's root.
        md5: the expected hash, which ends in ".dir" for a folder.
        cached: whether DVC keeps it, not git.
    """

    stage: str
    path: Path
    md5: str
    cached: bool


def read_outs(root: Path) -> list[Out]:
    """The outs in the lock files of the project; folders that are DVC projects are left out.

    Raises VerifyError for a lock that can't be read, or has an out outside ``root`` or no md5.
    """
    nested = [lock for lock in root.glob("*/dvc.lock") if not (lock.parent / ".dvc").exists()]
    locks = [*root.glob("dvc.lock"), *sorted(nested)]
    outs = [out for lock in locks for out in _outs_of(root, lock)]
    if not outs:
        raise VerifyError(
            "no dvc.lock has any out", where=root, next_step="run this in the project's root"
        )
    return outs


def read_list(content: bytes, md5: str) -> dict[str, str] | None:
    """The md5 of each file of a folder, by its path in the folder.

    Returns None if ``content`` isn't the list of that md5. Raises VerifyError for a path that leads
    out of the folder: DVC didn't write such a list.
    """
    if hashlib.md5(content, usedforsecurity=False).hexdigest() + FOLDER != md5:
        return None
    try:
        files = {str(entry["relpath"]): str(entry["md5"]) for entry in json.loads(content)}
    except _MISFITS as error:
        raise _refused(md5, f"isn't a list of files: {error}") from error
    for path, each in files.items():
        if not _inside(path) or not _MD5.fullmatch(each):
            raise _refused(md5, f"names {path!r} with md5 {each!r}")
    return files


def folder_md5(files: Mapping[str, str]) -> str:
    """The md5 of a folder with these files, as DVC computes it."""
    entries = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    text = json.dumps(entries, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + FOLDER


def files_in(folder: Path) -> Iterator[str]:
    """Paths of the regular files in ``folder``, relative to it."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _outs_of(root: Path, lock: Path) -> Iterator[Out]:
    try:
        if lock.stat().st_size > LARGEST_LOCK:
            raise _unusable(lock, f"it is larger than {LARGEST_LOCK} bytes")
        entries = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
        graph = read_stages(lock.with_suffix(".yaml"))
        outs = [
            (name, dict(out)) for name, entry in entries.items() for out in entry.get("outs", ())
        ]
    except (*_MISFITS, yaml.YAMLError) as error:
        raise _unusable(lock, str(error)) from error
    prefix = "" if lock.parent == root else f"{lock.parent.relative_to(root) / 'dvc.yaml'}:"
    for name, out in outs:
        stage = graph.get(name, graph.get(name.partition("@")[0], {}))
        yield _out(root, lock, stage, f"{prefix}{name}", out)


def _out(root: Path, lock: Path, stage: Mapping[str, Any], name: str, out: Any) -> Out:
    path, md5 = str(out.get("path")), str(out.get("md5"))
    base = os.path.normpath(lock.parent.relative_to(root) / stage.get("wdir", ""))
    if not _inside(path) or not _inside(base):
        raise _unusable(lock, f"{name} has the out {path!r}, outside the project")
    if not _MD5.fullmatch(md5.removesuffix(FOLDER)):
        raise _unusable(lock, f"{name} has the out {path} without an md5")
    return Out(name, Path(base) / path, md5, _is_cached(stage, path))


def _is_cached(stage: Mapping[str, Any], path: str) -> bool:
    """Whether no out of dvc.yaml with ``cache: false`` matches the path; ${...} matches a name."""
    plain = [
        re.sub(r"\\\$\\\{.+?\\\}", "[^/]+", re.escape(template))
        for out in stage.get("outs", ())
        if isinstance(out, dict)
        for template, settings in out.items()
        if settings.get("cache") is False
    ]
    return not any(re.fullmatch(pattern, path) for pattern in plain)


def _inside(path: str) -> bool:
    """Whether a relative path stays inside its folder."""
    parts = PurePosixPath(path).parts
    return not path.startswith("/") and ".." not in parts and not set(path) & {"\\", "\0"}


def _unusable(lock: Path, why: str) -> VerifyError:
    return VerifyError(
        f"{lock} can't be used: {why}", where=lock, next_step="git restore it, or dvc repro"
    )


def _refused(md5: str, why: str) -> VerifyError:
    return VerifyError(
        f"the list of a folder's files {why}",
        where=f"object {md5}",
        expected="paths inside the folder, each with an md5",
        next_step="find out who wrote the cache; nothing in this folder was read",
    )
