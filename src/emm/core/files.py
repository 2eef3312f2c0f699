"""Atomic writing of files and folders: temporary name, fsync, rename."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emm.core.errors import OutOfSpaceError
from emm.core.process import rank

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn "disk full" and "permission denied" on ``path`` into an OutOfSpaceError."""
    try:
        yield
    except Exception as error:
        number = _system_error(error)
        if number not in _UNWRITABLE:
            raise
        raise OutOfSpaceError(
            f"{path} could not be written",
            got=os.strerror(number),
            next_step=f"free space or grant access under {path.parent}, then run the command again",
        ) from error


def _system_error(error: Exception) -> int:
    """The errno of an error, 0 if it has none."""
    if isinstance(error, OSError):
        return error.errno or 0
    # Polars and safetensors raise other types, with the number in the text.
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` on success and is removed otherwise."""
    temporary = _temporary(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        try:
            yield temporary
            _sync(temporary)
            if rank() == 0:
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces ``path`` on success and is removed otherwise."""
    temporary = _temporary(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        temporary.mkdir()
        try:
            yield temporary
            for file in sorted(temporary.rglob("*")):
                if file.is_file():
                    _sync(file)
            if rank() == 0:
                if path.exists():
                    shutil.rmtree(path)
                temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. Raises ValueError for NaN and infinity."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(path: Path) -> Path:
    owner = f"{rank()}-{os.getpid()}" if rank() else os.getpid()
    return path.with_name(f".{path.name}.{owner}.tmp")


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed processes left next to ``path``.

    Files of processes with a rank stay: such a process may be running on another machine.
    """
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        owner = leftover.name.removesuffix(".tmp").rpartition(".")[2]
        if owner.isdecimal() and not _is_running(int(owner)):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # This process has written nothing yet: an earlier process with the same id left the file.
    return process != os.getpid()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
