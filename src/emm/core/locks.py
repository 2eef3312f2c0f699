"""One process at a time: locks that the kernel takes back, however their holder ends."""

import errno
import fcntl
import os
from pathlib import Path
from typing import IO

from emm.core.files import writing
from emm.core.process import rank
from emm.core.progress import say

_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_held: dict[Path, IO[str]] = {}


def hold(lock: Path, out: Path) -> None:
    """Keep other processes from making ``out`` until this one has ended.

    If another one is at it, says so and waits for its end: a stage whose `dvc repro` was killed
    lives on, and what it puts into place late must not fall into a second start's work. The file
    ``lock`` stays, as a new one wouldn't be the one that others wait for. Raises OutOfSpaceError
    if it can't be made.
    """
    if lock in _held or rank():
        return
    try:
        with writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = _held[lock] = lock.open("a+", encoding="utf-8")
            _take(file, lock, out)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        say(f"no locks here ({os.strerror(error.errno)}): see that nothing else makes {out}")


def awaited(lock: Path) -> bool:
    """Whether another process waits, or was killed while it waited, for the end of this one."""
    return _mark(lock).exists()


def _take(file: IO[str], lock: Path, out: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        say(f"waiting for process {file.read() or 'unknown'}, which is making {out}")
        _mark(lock).touch()
        fcntl.flock(file, fcntl.LOCK_EX)
        say(f"it has ended; making {out}")
    _mark(lock).unlink(missing_ok=True)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


def _mark(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.awaited")
