"""Reading of the next window of rows while the one before is used."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from emm.data.tables.rows import RowTensors


def prefetch(jobs: Sequence[Callable[[], RowTensors]]) -> Iterator[RowTensors]:
    """Yield each job's result in turn, while a thread runs the next job.

    An error in a job is raised in place of its result. The thread ends with the iterator, even if
    that is closed early.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        upcoming = thread.submit(jobs[0]) if jobs else None
        for job in [*jobs[1:], None]:
            if upcoming is None:
                return
            result = [upcoming.result()]
            upcoming = None if job is None else thread.submit(job)
            yield result.pop()  # without keeping a reference
