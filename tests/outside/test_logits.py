import numpy as np
import pytest
import torch

from emm.data.tables.schema import Target
from emm.outside.logits import count_extreme, decide, to_logits, to_probabilities

P = np.array([[0.0], [1e-9], [0.2], [0.5], [1.0]])


def test_logits_of_probabilities_are_finite() -> None:
    found = to_logits(P, "probability", "binary", None)
    expected = torch.logit(torch.tensor(P), eps=1e-7).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert count_extreme(found) == 3
    assert found.dtype == np.float64


def test_logits_of_classes_give_their_probabilities() -> None:
    shares = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    logits = torch.tensor(to_logits(shares, "probability", "classes", None))
    np.testing.assert_allclose(logits.softmax(1).numpy(), shares, atol=3e-7)


def test_values_are_standardised() -> None:
    values = np.array([[10.0], [14.0]])
    found = to_logits(values, "value", "regression", Target(10.0, 2.0))
    assert found.tolist() == [[0.0], [2.0]]


def test_logits_stay() -> None:
    assert to_logits(P, "logit", "binary", None).tolist() == P.tolist()


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_probabilities_of_logits(kind: str) -> None:
    logits = torch.tensor([[-800.0, 3.0], [0.5, 800.0]], dtype=torch.float64)
    found = to_probabilities(logits.numpy(), "logit", kind)
    expected = logits.softmax(1) if kind == "classes" else logits.sigmoid()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "kind", "gives"),
    [
        ([[0.0], [1.0], [0.3]], "binary", "probability"),
        ([[0.0], [1.1]], "binary", "logit"),
        ([[-0.1], [0.5]], "binary", "logit"),
        ([[0.2, 0.8], [0.5, 0.5]], "classes", "probability"),
        ([[0.2, 0.7], [0.5, 0.5]], "classes", "logit"),
        ([[0.2], [0.3]], "regression", "value"),
    ],
)
def test_what_values_are(values: list[list[float]], kind: str, gives: str) -> None:
    assert decide(np.array(values), kind) == gives
