"""Locks for outputs that one process at a time may write; the kernel releases them at exit."""

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
    """Keep other processes from writing ``out`` until this process ends.

    If another process holds the lock, say so and wait: a stage may outlive its killed `dvc repro`,
    and its late output must not mix with that of a second start. The lock file is never removed,
    because others may be waiting for this very file. In processes of rank 1 and above, nothing
    happens. Raises OutOfSpaceError if the lock file can't be written.
    """
    if lock in _held or rank():
        return
    try:
        with writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = _held[lock] = lock.open("a+", encoding="utf-8")
            _acquire(file, lock, out)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        say(
            f"this file system has no locks ({os.strerror(error.errno)}): "
            f"make sure that no other process writes {out}"
        )


def is_awaited(lock: Path) -> bool:
    """Whether another process waits for ``lock``, or was killed while waiting."""
    return _waiting_mark(lock).exists()


def _acquire(file: IO[str], lock: Path, out: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        say(f"waiting for process {file.read() or 'unknown'}, which is writing {out}")
        _waiting_mark(lock).touch()
        fcntl.flock(file, fcntl.LOCK_EX)
        say(f"it has ended; writing {out}")
    _waiting_mark(lock).unlink(missing_ok=True)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


def _waiting_mark(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.awaited")
