"""Work on a few things ahead of the one that is asked for, in threads, in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WORKERS = 2

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def ahead(work: Callable[[_In], _Out], things: Iterable[_In]) -> Iterator[_Out]:
    """What ``work`` makes of each thing; an error surfaces at its place.

    No more than WORKERS + 1 results wait, so memory stays bounded.
    """
    waiting: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
