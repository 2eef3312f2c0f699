"""R squared, RMSE and MAE against scikit-learn, closed forms and their definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error as sklearn_mae
from sklearn.metrics import r2_score, root_mean_squared_error
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics import regression

VALUE = st.floats(-100, 100, width=32)
PAIRS = st.lists(st.tuples(VALUE, VALUE), min_size=2, max_size=20)
METRICS = [
    regression.r_squared,
    regression.root_mean_squared_error,
    regression.mean_absolute_error,
]


def rows(seed: int = 0, count: int = 500) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randn(count, generator=generator) * 3 + 7
    return labels + torch.randn(count, generator=generator), labels


@settings(deadline=None, max_examples=100)
@given(PAIRS.filter(lambda pairs: max(y for _, y in pairs) - min(y for _, y in pairs) > 1e-3))
def test_r_squared_equals_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    predictions, labels = torch.tensor(pairs, dtype=torch.float64).T
    expected = r2_score(labels, predictions)
    assert regression.r_squared(predictions, labels) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(PAIRS)
def test_the_errors_equal_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    predictions, labels = torch.tensor(pairs, dtype=torch.float64).T
    found = regression.root_mean_squared_error(predictions, labels)
    assert found == pytest.approx(root_mean_squared_error(labels, predictions), rel=1e-12)
    found = regression.mean_absolute_error(predictions, labels)
    assert found == pytest.approx(sklearn_mae(labels, predictions), rel=1e-12)


def test_r_squared_is_zero_for_the_mean_and_one_for_the_labels() -> None:
    labels = torch.tensor([1.0, 2.0, 6.0])
    assert regression.r_squared(labels.mean().expand(3), labels) == 0
    assert regression.r_squared(labels, labels) == 1


def test_r_squared_has_no_lower_bound() -> None:
    # Squared errors of 100 + 100, and a spread of 1/4 + 1/4.
    assert regression.r_squared(torch.tensor([10.0, -9.0]), torch.tensor([0.0, 1.0])) == -399


def test_r_squared_does_not_depend_on_the_units() -> None:
    predictions, labels = (part.double() for part in rows())
    rescaled = regression.r_squared(100 * predictions - 40, 100 * labels - 40)
    assert rescaled == pytest.approx(regression.r_squared(predictions, labels), rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_sums_are_computed_in_float64(metric) -> None:
    predictions, labels = (part + 4096 for part in rows(count=5000))
    assert metric(predictions, labels) == metric(predictions.double(), labels.double())


def test_r_squared_of_equal_labels_is_undefined() -> None:
    with pytest.raises(DataError, match="one value"):
        regression.r_squared(torch.tensor([1.0, 2.0]), torch.tensor([0.7, 0.7]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        ([1.0, float("nan")], [1.0, 2.0], "a prediction is not a finite number"),
        ([1.0, float("inf")], [1.0, 2.0], "a prediction is not a finite number"),
        ([1.0, 2.0], [float("nan"), 2.0], "a label is not a finite number"),
        ([1.0], [1.0, 2.0], "don't match"),
        ([], [], "at least one row"),
    ],
)
def test_unusable_input_is_an_error(
    metric, predictions: list[float], labels: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        metric(torch.tensor(predictions), torch.tensor(labels))


def test_groups_are_slices_of_the_rows_in_order() -> None:
    predictions, labels = (part.double() for part in rows(count=60))
    found = regression.group_by_prediction(predictions, labels, 6)
    slices = predictions.argsort().split(10)
    assert found.rows.tolist() == [10] * 6
    for number, part in enumerate(slices):
        residuals = labels[part] - predictions[part]
        assert found.predicted[number].item() == pytest.approx(predictions[part].mean().item())
        assert found.observed[number].item() == pytest.approx(labels[part].mean().item())
        assert found.error[number].item() == pytest.approx(residuals.std().item() / 10**0.5)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), VALUE), min_size=1, max_size=20), st.integers(1, 8))
def test_equal_predictions_share_a_group(pairs: list[tuple[int, float]], groups: int) -> None:
    predictions, labels = torch.tensor(pairs, dtype=torch.float64).T
    found = regression.group_by_prediction(predictions, labels, groups)
    assert found.rows.sum() == len(pairs)
    assert len(found.rows) <= groups
    mean = (found.observed * found.rows).sum() / len(pairs)
    assert mean.item() == pytest.approx(labels.mean().item(), abs=1e-9)
    assert len(found.predicted.unique()) == len(found.predicted)


def test_a_constant_prediction_is_one_group() -> None:
    found = regression.group_by_prediction(torch.full((7,), 2.0), torch.arange(7.0), 5)
    assert (found.predicted.tolist(), found.observed.tolist()) == ([2.0], [3.0])


def test_the_standard_error_of_a_single_row_is_zero() -> None:
    found = regression.group_by_prediction(torch.tensor([1.0]), torch.tensor([4.0]), 3)
    assert (found.observed.tolist(), found.error.tolist()) == ([4.0], [0.0])
