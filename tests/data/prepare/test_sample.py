import polars as pl
import pytest

from emm.data.prepare.sample import Sample, sampled


def parts() -> dict[str, pl.LazyFrame]:
    return {
        "train": pl.LazyFrame({"n": range(1000), "user": [n // 4 for n in range(1000)]}),
        "test": pl.LazyFrame({"n": range(200), "user": [n // 4 for n in range(200)]}),
    }


@pytest.mark.parametrize("sample", [Sample(fraction=0.1), Sample(rows=100)])
def test_the_same_share_of_every_part_in_its_order(sample: Sample) -> None:
    found = {
        name: part.collect()["n"].to_list() for name, part in sampled(parts(), sample, 0).items()
    }
    assert [len(numbers) for numbers in found.values()] == [100, 20]
    assert all(numbers == sorted(set(numbers)) for numbers in found.values())


def test_more_rows_than_there_are_is_all() -> None:
    found = sampled(parts(), Sample(rows=10**6), 0)
    assert found["train"].collect().equals(parts()["train"].collect())


def test_whole_keys_are_taken_the_same_in_every_part() -> None:
    found = {
        n: s.collect() for n, s in sampled(parts(), Sample(fraction=0.2, key="user"), 0).items()
    }
    assert found["train"]["user"].n_unique() == 50
    assert found["train"].group_by("user").len()["len"].unique().to_list() == [4]
    assert set(found["test"]["user"]) == {u for u in found["train"]["user"] if u < 50}


def test_the_seed_decides() -> None:
    first, again, other = (
        sampled(parts(), Sample(fraction=0.5), seed)["train"].collect() for seed in (0, 0, 1)
    )
    assert first.equals(again)
    assert not first.equals(other)
