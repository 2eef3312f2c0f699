"""Files that are there whole or not at all: temporary name, fsync, rename."""

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
    """Turn "disk full" and "may not write" for ``path`` into an error with a next step."""
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
    """The system's number of an error, 0 if it has none."""
    if isinstance(error, OSError):
        return error.errno or 0
    # Polars and safetensors have errors of their own, with the number in the text.
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place on success, and else goes."""
    temporary = _temporary(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        try:
            yield temporary
            _sync(temporary)
            if rank() == 0:
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` that takes its place on success, and else goes."""
    temporary = _temporary(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
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
    """Write ``text`` to ``path`` in one step."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON that diffs well; NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Hex digest of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(path: Path) -> Path:
    own = f"{rank()}-{os.getpid()}" if rank() else os.getpid()
    return path.with_name(f".{path.name}.{own}.tmp")


def _sweep(path: Path) -> None:
    """Remove what processes that were killed have left beside ``path``.

    Not what those with a rank have: they may be on another machine.
    """
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        number = left.name.removesuffix(".tmp").rpartition(".")[2]
        if number.isdecimal() and not _alive(int(number)):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # Of our own number and left over: from a process that had it before us.
    return process != os.getpid()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
