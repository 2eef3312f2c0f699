"""The loss against a teacher, for each kind of task."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from emm.nn.losses import soft_losses, task_losses

KINDS, OUTPUTS = ("binary", "classes", "regression"), (1, 3, 1)


def drawn(rows: int = 7, columns: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    own, teacher = 2 * torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    return own, teacher


def test_at_temperature_1_the_probabilities_are_labels() -> None:
    own, teacher = drawn(columns=2)
    wanted = task_losses(own, teacher.sigmoid())
    torch.testing.assert_close(soft_losses(own, teacher), wanted)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_gradient_is_the_difference_of_the_softened_probabilities(temperature: float) -> None:
    own, teacher = drawn(columns=2)
    own.requires_grad_()
    soft_losses(own, teacher, temperature).sum().backward()
    softened = (own / temperature).sigmoid() - (teacher / temperature).sigmoid()
    torch.testing.assert_close(own.grad, temperature * softened / len(own))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_classes_and_regressions_have_their_own_losses(temperature: float) -> None:
    own, teacher = drawn()
    found = soft_losses(own, teacher, temperature, None, KINDS, OUTPUTS)
    soft = (teacher[:, 1:4] / temperature).softmax(1)
    divergence = functional.kl_div(
        (own[:, 1:4] / temperature).log_softmax(1), soft, reduction="batchmean"
    )
    entropy = -(soft * soft.log()).sum(1).mean()
    torch.testing.assert_close(found[1], temperature**2 * (divergence + entropy))
    torch.testing.assert_close(found[2], (own[:, 4] - teacher[:, 4]).square().mean())


@pytest.mark.parametrize("shared", [False, True])
def test_an_integer_weight_equals_repeating_the_row(shared: bool) -> None:
    (own, teacher), counts = drawn(), torch.tensor([0, 1, 2, 3, 1, 0, 2])
    weighed = soft_losses(own, teacher, 2.0, counts.double(), KINDS, OUTPUTS, shared_mean=shared)
    again = (part.repeat_interleave(counts, dim=0) for part in (own, teacher))
    torch.testing.assert_close(weighed, soft_losses(*again, 2.0, None, KINDS, OUTPUTS))


def test_a_row_without_a_target_has_no_part_in_a_shared_mean() -> None:
    own, teacher = drawn()
    teacher[2:4] = torch.nan
    own.requires_grad_()
    found = soft_losses(own, teacher, 2.0, None, KINDS, OUTPUTS, shared_mean=True)
    keep = torch.tensor([0, 1, 4, 5, 6])
    torch.testing.assert_close(
        found, soft_losses(own[keep], teacher[keep], 2.0, None, KINDS, OUTPUTS)
    )
    found.sum().backward()
    assert own.grad is not None
    assert not own.grad[2:4].any()
    assert own.grad.isfinite().all()
