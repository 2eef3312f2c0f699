"""Bias of the conversion rate over the entire space, on a funnel with known probabilities."""

import pytest

from benchmarks.funnel import Bias, World, biases


@pytest.fixture(scope="module")
def found() -> dict[str, Bias]:
    return biases(World(0, 100, 500), 0, ("naive", "esmm", "escm2-ips", "escm2-dr"), 15_000)


def test_clicked_rows_convert_more_often_than_all_rows_would() -> None:
    funnel = World(0, 100, 500).draw(15_000)
    clicked = funnel.rows.labels[:, 0] == 1
    assert funnel.conversion[clicked].mean() > 1.5 * funnel.conversion.mean()


@pytest.mark.parametrize("name", ["esmm", "escm2-ips", "escm2-dr"])
def test_models_of_all_impressions_are_less_biased_than_one_of_clicked_rows(
    found: dict[str, Bias], name: str
) -> None:
    assert abs(found[name].signed) < 0.8 * abs(found["naive"].signed)
    assert found[name].absolute < 0.8 * found["naive"].absolute
