import sys
import threading

import pytest

from emm.data.reading.prefetch import WORKERS, ahead


def test_results_come_in_the_order_of_the_things() -> None:
    assert list(ahead(lambda n: n * n, range(50))) == [n * n for n in range(50)]


def test_an_error_surfaces_at_its_place() -> None:
    results = ahead(lambda n: 1 // (n - 3), range(9))
    assert [next(results) for _ in range(3)] == [1 // -3, 1 // -2, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_few_things_are_taken_ahead() -> None:
    taken = []

    def things() -> object:
        for number in range(50):
            taken.append(number)
            yield number

    results = ahead(lambda n: n, things())
    next(results)
    assert len(taken) <= WORKERS + 1


def test_the_work_is_done_beside_the_one_who_asks() -> None:
    assert threading.get_ident() not in set(ahead(lambda _: threading.get_ident(), range(4)))


def test_the_interpreter_is_left_as_it_was() -> None:
    before = sys.getswitchinterval()
    results = ahead(lambda n: n, range(9))
    next(results)
    assert sys.getswitchinterval() < before
    results.close()
    assert sys.getswitchinterval() == before
