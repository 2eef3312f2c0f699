"""Read-ahead: process the next few items in threads, in order, while the last result is used."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

THREADS = 2
_SWITCH_SECONDS = 0.0005

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def prefetch(
    work: Callable[[_In], _Out], items: Iterable[_In], threads: int = THREADS
) -> Iterator[_Out]:
    """Yield ``work(item)`` for each item in order, working a few items ahead of the caller.

    At most ``threads`` + 1 results are pending, so memory stays bounded; without threads none is.
    An error in ``work`` is raised in place of its result.
    """
    if not threads:
        yield from map(work, items)
        return
    pending: deque[Future[_Out]] = deque()
    with _fast_thread_switching(), ThreadPoolExecutor(threads) as pool:
        for item in items:
            pending.append(pool.submit(work, item))
            del item  # not kept while results are used
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def _fast_thread_switching() -> Iterator[None]:
    """Shorten the time for which a thread may hold the interpreter lock.

    The threads mostly run code that releases the lock, but wait up to 5 ms (Python's default) to
    get it back from a busy thread. With two threads that costs a fifth of the throughput.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
