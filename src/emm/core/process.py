"""This process: its rank among several, and how its allocator treats freed memory."""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT, _LARGEST = 2**30, 2**25  # bytes; glibc accepts no larger mmap threshold


def keep_freed_memory() -> None:
    """Let glibc keep up to 1 GiB of freed memory for later allocations; no effect elsewhere.

    By default glibc returns each large block to the system when it is freed, and the pages of the
    next one are faulted in again: a quarter of the time of reading files block by block.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGEST)


def rank() -> int:
    """Rank of this process, 0 in a single process."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """Number of processes that train together, 1 by default."""
    return int(os.environ.get("WORLD_SIZE", "1"))
