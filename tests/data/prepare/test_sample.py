import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emm.data.prepare.sample import Sample, random_shares, sampled, stratified_half


def parts() -> dict[str, pl.LazyFrame]:
    return {
        "train": pl.LazyFrame({"n": range(1000), "user": [n // 4 for n in range(1000)]}),
        "test": pl.LazyFrame({"n": range(200), "user": [n // 4 for n in range(200)]}),
    }


@pytest.mark.parametrize("sample", [Sample(fraction=0.1), Sample(rows=100)])
def test_the_same_share_of_every_part_is_sampled_in_order(sample: Sample) -> None:
    found = {
        name: part.collect()["n"].to_list() for name, part in sampled(parts(), sample, 0).items()
    }
    assert [len(numbers) for numbers in found.values()] == [100, 20]
    assert all(numbers == sorted(set(numbers)) for numbers in found.values())


def test_a_sample_of_more_rows_than_exist_is_all_rows() -> None:
    found = sampled(parts(), Sample(rows=10**6), 0)
    assert found["train"].collect().equals(parts()["train"].collect())


def test_the_same_keys_are_sampled_in_every_part() -> None:
    found = {
        n: s.collect() for n, s in sampled(parts(), Sample(fraction=0.2, key="user"), 0).items()
    }
    assert found["train"]["user"].n_unique() == 50
    assert found["train"].group_by("user").len()["len"].unique().to_list() == [4]
    assert set(found["test"]["user"]) == {u for u in found["train"]["user"] if u < 50}


def test_the_sample_depends_on_the_seed() -> None:
    first, again, other = (
        sampled(parts(), Sample(fraction=0.5), seed)["train"].collect() for seed in (0, 0, 1)
    )
    assert first.equals(again)
    assert not first.equals(other)


LABELS = st.integers(1, 3).flatmap(
    lambda tasks: st.integers(1, 60).flatmap(
        lambda rows: arrays(np.uint8, (rows, tasks), elements=st.integers(0, 2))
    )
)


@given(LABELS, st.integers(0, 9))
def test_every_combination_of_labels_is_halved(labels: np.ndarray, seed: int) -> None:
    chosen = stratified_half(labels, seed)
    assert abs(2 * int(chosen.sum()) - len(labels)) <= 1
    for combination in np.unique(labels, axis=0):
        rows = (labels == combination).all(axis=1)
        assert abs(int(chosen[rows].sum()) - int((~chosen[rows]).sum())) <= 1


@given(LABELS, st.integers(0, 9))
def test_the_half_is_drawn_from_each_combination_in_ascending_order(
    labels: np.ndarray, seed: int
) -> None:
    generator, expected, extra = np.random.default_rng(seed), np.zeros(len(labels), bool), 0
    for combination in sorted({tuple(row) for row in labels.tolist()}):
        rows = generator.permutation(np.flatnonzero((labels == combination).all(axis=1)))
        odd = len(rows) % 2
        expected[rows[: len(rows) // 2 + extra * odd]] = True
        extra ^= odd
    assert (stratified_half(labels, seed) == expected).all()


def test_the_half_depends_on_the_seed() -> None:
    labels = np.zeros((100, 1), np.uint8)
    first, again, other = (stratified_half(labels, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_random_shares_are_exact_and_disjoint() -> None:
    first, second = random_shares(1000, [0.1, 0.25], seed=0)
    assert (len(first), len(second)) == (100, 250)
    assert len({*first, *second}) == 350
