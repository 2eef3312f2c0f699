import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emm.data.prepare.draws import drawn, stratified_half

LABELS = st.integers(1, 3).flatmap(
    lambda tasks: st.integers(1, 60).flatmap(
        lambda rows: arrays(np.uint8, (rows, tasks), elements=st.integers(0, 1))
    )
)


@given(LABELS, st.integers(0, 9))
def test_every_combination_of_labels_is_halved(labels: np.ndarray, seed: int) -> None:
    chosen = stratified_half(labels, seed)
    assert abs(2 * int(chosen.sum()) - len(labels)) <= 1
    for combination in np.unique(labels, axis=0):
        rows = (labels == combination).all(axis=1)
        assert abs(int(chosen[rows].sum()) - int((~chosen[rows]).sum())) <= 1


def test_the_seed_decides() -> None:
    labels = np.zeros((100, 1), np.uint8)
    first, again, other = (stratified_half(labels, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_shares_are_exact_and_never_overlap() -> None:
    first, second = drawn(1000, [0.1, 0.25], seed=0)
    assert (len(first), len(second)) == (100, 250)
    assert len({*first, *second}) == 350
