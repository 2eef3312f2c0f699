import gc
import sys
import threading
from weakref import WeakSet

import pytest

from emm.data.reading.prefetch import THREADS, prefetch


def test_results_are_in_the_order_of_the_items() -> None:
    assert list(prefetch(lambda n: n * n, range(50))) == [n * n for n in range(50)]


def test_an_error_is_raised_in_place_of_its_result() -> None:
    results = prefetch(lambda n: 1 // (n - 3), range(9))
    assert [next(results) for _ in range(3)] == [1 // -3, 1 // -2, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_only_a_few_items_are_taken_ahead() -> None:
    taken = []

    def items() -> object:
        for number in range(50):
            taken.append(number)
            yield number

    results = prefetch(lambda n: n, items())
    next(results)
    assert len(taken) <= THREADS + 1


def test_the_work_runs_in_other_threads() -> None:
    assert threading.get_ident() not in set(prefetch(lambda _: threading.get_ident(), range(4)))


def test_the_switch_interval_is_restored() -> None:
    before = sys.getswitchinterval()
    results = prefetch(lambda n: n, range(9))
    next(results)
    assert sys.getswitchinterval() < before
    results.close()
    assert sys.getswitchinterval() == before


def test_without_threads_an_item_is_taken_when_its_result_is() -> None:
    items = iter(range(9))
    results = prefetch(lambda n: (n, threading.get_ident()), items, threads=0)
    assert next(results) == (0, threading.get_ident())
    assert next(items) == 1


class Item:
    """Something that is gone once nobody refers to it."""


@pytest.mark.parametrize("threads", [0, 2])
def test_an_item_is_not_kept_after_its_result(threads: int) -> None:
    items = [Item() for _ in range(THREADS + 1)]
    kept = WeakSet(items)
    results = prefetch(lambda _: None, (items.pop() for _ in range(THREADS + 1)), threads)
    for _ in range(THREADS + 1):
        next(results)
    gc.collect()
    assert not kept
