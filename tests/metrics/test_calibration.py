"""Log loss, calibration error and reliability against closed forms, loops and scikit-learn."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from torch import Tensor
from torch.nn.functional import logsigmoid

from emm.core.errors import DataError
from emm.metrics import calibration
from emm.metrics.calibration import (
    Reliability,
    expected_calibration_error,
    log_loss,
    reliability,
    reliability_of_equal_evidence,
)

steady = settings(deadline=None, max_examples=60)  # no deadline: the machine may be busy


def drawn(rows: int, base: float = 0.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits around ``base``, and labels drawn with exactly these probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = base + 2 * torch.randn(rows, generator=generator, dtype=torch.float64)
    labels = (torch.rand(rows, generator=generator) < logits.sigmoid()).to(torch.uint8)
    return logits, labels


def logit(probabilities: list[float]) -> Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).logit()


def ece_by_hand(probabilities: list[float], labels: list[int], bins: int) -> float:
    total = 0.0
    for k in range(1, bins + 1):
        members = [
            i
            for i, p in enumerate(probabilities)
            if (k - 1) / bins < p <= k / bins or (k == 1 and p == 0)
        ]
        observed = sum(labels[i] for i in members)
        predicted = sum(probabilities[i] for i in members)
        total += abs(observed - predicted)
    return total / len(labels)


def test_log_loss_of_zero_logits_is_log_two() -> None:
    assert log_loss(torch.zeros(4), torch.tensor([0, 1, 1, 0])) == pytest.approx(math.log(2))


def test_log_loss_equals_scikit_learn() -> None:
    logits, labels = drawn(500)
    expected = sklearn_log_loss(labels, logits.sigmoid())
    assert log_loss(logits, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("logit", "label", "loss"), [(800.0, 0, 800.0), (-800.0, 1, 800.0), (800.0, 1, 0.0)]
)
def test_log_loss_is_stable_for_extreme_logits(logit: float, label: int, loss: float) -> None:
    assert log_loss(torch.tensor([logit]), torch.tensor([label])) == loss


def test_log_loss_computes_small_losses_in_float64() -> None:
    loss = log_loss(torch.tensor([20.0], dtype=torch.float32), torch.tensor([1]))
    assert loss == pytest.approx(math.log1p(math.exp(-20)), rel=1e-12)


@pytest.mark.parametrize(
    ("logits", "message"), [([0.0, torch.inf], "finite"), ([0.0, torch.nan], "not a number")]
)
def test_log_loss_refuses_logits_that_are_not_finite(logits: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        log_loss(torch.tensor(logits), torch.tensor([0, 1]))


def test_calibration_error_of_a_constant_prediction() -> None:
    labels = torch.tensor([1, 0, 0, 0])
    assert expected_calibration_error(logit([0.4] * 4), labels) == pytest.approx(0.15)


@steady
@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(0, 1)), min_size=1, max_size=60),
    st.sampled_from([1, 7, 15]),
)
def test_calibration_error_equals_a_loop_over_bins(rows: list[tuple[int, int]], bins: int) -> None:
    probabilities = [(percent + 0.3) / 100 for percent, _ in rows]  # none on an edge
    labels = [label for _, label in rows]
    found = expected_calibration_error(logit(probabilities), torch.tensor(labels), bins)
    assert found == pytest.approx(ece_by_hand(probabilities, labels, bins), abs=1e-12)


def test_calibrated_predictions_have_a_small_error() -> None:
    logits, labels = drawn(100_000)
    assert expected_calibration_error(logits, labels) < 0.005


def test_certain_and_correct_predictions_have_no_error() -> None:
    labels = torch.tensor([0, 1])
    assert expected_calibration_error(torch.tensor([-torch.inf, torch.inf]), labels) == 0


def test_a_bin_includes_its_upper_edge_only() -> None:
    curve = reliability(torch.tensor([-torch.inf, 0.0, 0.1]), torch.tensor([0, 1, 0]), bins=2)
    assert curve.rows.tolist() == [2, 1]


def test_reliability_leaves_out_empty_bins() -> None:
    curve = reliability(logit([0.05, 0.05, 0.95]), torch.tensor([0, 1, 1]), bins=10)
    assert curve.rows.tolist() == [2, 1]
    assert curve.observed.tolist() == [0.5, 1.0]
    torch.testing.assert_close(curve.predicted, torch.tensor([0.05, 0.95], dtype=torch.float64))


@pytest.mark.parametrize("curve_of", [reliability, reliability_of_equal_evidence])
def test_reliability_preserves_rows_positives_and_probability_mass(
    curve_of: Callable[[Tensor, Tensor, int], Reliability],
) -> None:
    logits, labels = drawn(1000, base=-4.0)
    curve = curve_of(logits, labels, 15)
    assert int(curve.rows.sum()) == 1000
    assert (curve.observed * curve.rows).sum().item() == pytest.approx(int(labels.sum()))
    assert (curve.predicted * curve.rows).sum().item() == pytest.approx(
        logits.sigmoid().sum().item()
    )


def test_bins_of_equal_evidence_have_equal_variance() -> None:
    logits, labels = drawn(20_000, base=-4.0)
    curve = reliability_of_equal_evidence(logits, labels, bins=10)
    order = logits.sort().values.sigmoid()
    parts = (order * (1 - order)).split(curve.rows.tolist())
    evidence = torch.stack([part.sum() for part in parts])
    torch.testing.assert_close(evidence, evidence.mean().expand(10), rtol=0.02, atol=0)


@pytest.mark.parametrize("logit", [-1e3, 0.3, 1e3])
def test_equal_probabilities_share_a_bin_of_equal_evidence(logit: float) -> None:
    curve = reliability_of_equal_evidence(torch.full((8,), logit), torch.tensor([0, 1] * 4), bins=5)
    assert curve.rows.tolist() == [8]
    assert curve.observed.tolist() == [0.5]


def reliability_in_one_step(logits: Tensor, labels: Tensor, bins: int) -> Reliability:
    """All rows in one step."""
    predicted = logits.double().sigmoid()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    bin_of_row = torch.bucketize(predicted, edges)
    rows = bin_of_row.bincount(minlength=bins)
    nothing = torch.zeros(bins, dtype=torch.float64)
    sums = nothing.index_add(0, bin_of_row, predicted)[rows > 0]
    positives = nothing.index_add(0, bin_of_row, labels.double())[rows > 0]
    rows = rows[rows > 0]
    return Reliability(sums / rows, positives / rows, rows)


@pytest.mark.parametrize("labels_dtype", [torch.bool, torch.uint8])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [2, 10**6])
def test_blocks_change_no_bit(
    levels: int, dtype: torch.dtype, labels_dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "BLOCK", 64)
    logits, labels = drawn(2001, base=-2.0)
    logits, labels = ((logits * levels).round() / levels).to(dtype), labels.to(labels_dtype)
    wide = logits.double()
    loss = -logsigmoid(torch.where(labels == 1, wide, -wide)).mean().item()
    in_one_step = reliability_in_one_step(logits, labels, 15)
    ece = (
        (in_one_step.observed - in_one_step.predicted).abs() * in_one_step.rows
    ).sum().item() / 2001
    column = torch.stack([logits, logits], dim=1)[:, 0]  # not contiguous
    assert log_loss(logits, labels) == log_loss(column, labels) == loss
    assert expected_calibration_error(logits, labels) == ece
    for name, expected in vars(in_one_step).items():
        assert torch.equal(getattr(reliability(logits, labels), name), expected)


@pytest.mark.parametrize(
    "metric", [log_loss, expected_calibration_error, reliability_of_equal_evidence]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_logits_are_not_changed(metric: Callable[..., object], dtype: torch.dtype) -> None:
    logits, labels = drawn(100)
    logits = logits.to(dtype)
    before = logits.clone()
    metric(logits, labels)
    assert torch.equal(logits, before)


@pytest.mark.parametrize(
    "metric", [log_loss, expected_calibration_error, reliability, reliability_of_equal_evidence]
)
def test_lengths_must_match(metric: Callable[..., object]) -> None:
    with pytest.raises(DataError, match="don't match"):
        metric(torch.zeros(3), torch.zeros(2))
