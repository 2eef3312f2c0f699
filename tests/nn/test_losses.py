from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_squared_error

from emm.nn.losses import task_losses

ROW = st.tuples(st.floats(-20, 20), st.integers(0, 1), st.integers(0, 4))


def cross_entropy(logit: float, label: float) -> float:
    """-log p of the label, with p = 1 / (1 + exp(-logit))."""
    sign = 1 if label else -1
    return log(1 + exp(-sign * logit))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(ROW, ROW), min_size=1, max_size=8))
def test_the_loss_of_a_binary_task_is_the_mean_cross_entropy(rows: list[tuple]) -> None:
    logits = torch.tensor([[task[0] for task in row] for row in rows], dtype=torch.float64)
    labels = torch.tensor([[task[1] for task in row] for row in rows], dtype=torch.float64)
    expected = [sum(cross_entropy(*row[t][:2]) for row in rows) / len(rows) for t in range(2)]
    assert task_losses(logits, labels).tolist() == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, min_size=1, max_size=8).filter(lambda rows: any(row[2] for row in rows)))
def test_an_integer_weight_equals_repeating_the_row(rows: list[tuple[float, int, int]]) -> None:
    logits, labels, counts = (torch.tensor(column) for column in zip(*rows, strict=True))
    logits = torch.stack([logits, -logits], dim=1).double()
    labels = torch.stack([labels, labels], dim=1).double()
    again = (part.repeat_interleave(counts, dim=0) for part in (logits, labels))
    torch.testing.assert_close(task_losses(logits, labels, counts.double()), task_losses(*again))


def test_the_scale_of_the_weights_is_irrelevant() -> None:
    logits, labels = torch.randn(5, 3), torch.randint(0, 2, (5, 3)).float()
    weights = torch.rand(5) + 0.1
    once, thrice = (task_losses(logits, labels, factor * weights) for factor in (1, 3))
    torch.testing.assert_close(once, thrice)


def test_a_row_of_zero_weight_has_no_gradient() -> None:
    logits = torch.zeros(2, 1, requires_grad=True)
    task_losses(logits, torch.ones(2, 1), torch.tensor([0.0, 2.0])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [0.0, -0.5]


def test_extreme_logits_have_a_finite_loss() -> None:
    losses = task_losses(torch.tensor([[-1e4, 1e4]]), torch.tensor([[1.0, 0.0]]))
    assert losses.tolist() == [1e4, 1e4]


MIXED = ("binary", "regression", "binary")


def mixed() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels [6, 3] of a binary task, a regression task and a second binary task."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    labels = (torch.randn(6, 3, generator=generator) > 0).double()
    labels[:, 1] = torch.randn(6, generator=generator)
    return logits, labels


def test_the_loss_of_a_regression_task_is_the_mean_squared_error() -> None:
    logits, labels = mixed()
    expected = mean_squared_error(labels[:, 1], logits[:, 1])
    assert task_losses(logits, labels, kinds=MIXED)[1].item() == pytest.approx(expected, rel=1e-12)


def test_the_loss_of_a_regression_task_is_weighted() -> None:
    logits, labels = mixed()
    weights = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0, 1.0]).double()
    expected = mean_squared_error(labels[:, 1], logits[:, 1], sample_weight=weights)
    found = task_losses(logits, labels, weights, MIXED)[1].item()
    assert found == pytest.approx(expected, rel=1e-12)


def test_binary_tasks_keep_their_losses_next_to_a_regression_task() -> None:
    logits, labels = mixed()
    both = [0, 2]
    binary_only = task_losses(logits[:, both], labels[:, both])
    torch.testing.assert_close(task_losses(logits, labels, kinds=MIXED)[both], binary_only)


def test_declaring_all_tasks_binary_changes_no_bit() -> None:
    logits, labels = torch.randn(64, 3), torch.randint(0, 2, (64, 3)).float()
    named = task_losses(logits, labels, kinds=("binary",) * 3)
    assert torch.equal(named, task_losses(logits, labels))


def test_the_gradient_of_a_task_comes_from_its_own_label_only() -> None:
    logits, labels = mixed()
    logits.requires_grad_()
    task_losses(logits, labels, kinds=MIXED)[1].backward()
    assert logits.grad is not None
    expected = 2 * (logits - labels).detach() / len(logits)
    expected[:, [0, 2]] = 0
    torch.testing.assert_close(logits.grad, expected)
