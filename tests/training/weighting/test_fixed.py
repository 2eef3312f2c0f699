import pytest
import torch

from emm.core.errors import ParamsError
from emm.training.weighting.fixed import Fixed
from tests.training.weighting.toy import gradients, toy


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((3.0, 1.0), [3.25, 1.5]),  # 3/4 (3, 2) + 1/4 (4, 0)
        ((6.0, 2.0), [3.25, 1.5]),
        ((1.0, 4.0), [3.8, 0.4]),  # 1/5 (3, 2) + 4/5 (4, 0)
    ],
)
def test_closed_form(weights: tuple[float, ...], expected: list[float]) -> None:
    parameters, losses = toy()
    Fixed(2, weights=weights).backward(losses, parameters)
    assert gradients(parameters) == pytest.approx(expected)


def test_equal_weights_are_the_mean() -> None:
    losses = torch.tensor([0.3, 0.1, 0.7])
    assert Fixed(3, weights=(0.2, 0.2, 0.2)).combine(losses) == pytest.approx(1.1 / 3)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 1.0, 1.0), ()])
def test_a_wrong_number_of_weights_is_an_error(weights: tuple[float, ...]) -> None:
    with pytest.raises(ParamsError, match="expected: 2 positive numbers, one per task"):
        Fixed(2, weights=weights)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_non_positive_weight_is_an_error(weight: float) -> None:
    with pytest.raises(ParamsError, match=r"where: weighting\.weights"):
        Fixed(2, weights=(1.0, weight))
