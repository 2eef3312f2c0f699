import pytest
import torch
from scipy.special import softmax

from emm.training.weighting.dwa import DynamicWeightAverage
from tests.training.weighting.toy import gradients, toy

EPOCHS = [[4.0, 8.0], [2.0, 8.0], [2.0, 2.0]]


def after(epochs: int, temperature: float = 2.0) -> DynamicWeightAverage:
    weighting = DynamicWeightAverage(2, temperature=temperature)
    for losses in EPOCHS[:epochs]:
        weighting.end_epoch(torch.tensor(losses, dtype=torch.float64))
    return weighting


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize(
    ("epochs", "ratios"), [(0, [0, 0]), (1, [0, 0]), (2, [0.5, 1.0]), (3, [1.0, 0.25])]
)
def test_weights_over_the_epochs(epochs: int, ratios: list[float], temperature: float) -> None:
    expected = 2 * softmax([ratio / temperature for ratio in ratios])
    assert after(epochs, temperature).weights.tolist() == pytest.approx(expected)


def test_closed_form() -> None:
    parameters, losses = toy()
    weighting = after(2)
    first, second = 2 * softmax([0.25, 0.5])
    weighting.backward(losses, parameters)
    expected = [(3 * first + 4 * second) / 2, first]  # 1/2 (w_1 (3, 2) + w_2 (4, 0))
    assert gradients(parameters) == pytest.approx(expected)


def test_the_slower_task_weighs_more() -> None:
    first, second = after(2).weights.tolist()
    assert first < 1 < second
