import sys
import threading

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
