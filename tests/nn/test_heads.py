"""Losses and predictions of several heads, against the heads one by one."""

import pytest
import torch
from torch import Tensor

from emm.nn.heads import each_head, mean_of_heads
from emm.nn.losses import soft_losses, task_losses

KINDS, OUTPUTS = ("binary", "classes", "regression"), (1, 3, 1)
ROWS, HEADS = 7, 4


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def labels() -> Tensor:
    found = torch.stack([torch.arange(ROWS) % 2, torch.arange(ROWS) % 3, torch.arange(ROWS) / 4], 1)
    return found.float()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("partly", [False, True])
def test_the_loss_is_the_mean_of_the_heads_losses(weighted: bool, partly: bool) -> None:
    logits, wanted = drawn(ROWS, HEADS, 5), labels()
    if partly:
        wanted[2, 0] = wanted[5, 1] = torch.nan
    weights = torch.arange(1.0, ROWS + 1) if weighted else None
    rest = (wanted, weights, KINDS, OUTPUTS, partly, (2.0, 1.0, 1.0))
    each = [task_losses(head, *rest) for head in logits.unbind(1)]
    torch.testing.assert_close(task_losses(logits, *rest), torch.stack(each).mean(0))


@pytest.mark.parametrize("shared_mean", [False, True])
def test_the_loss_against_a_teacher_is_the_mean_of_the_heads(shared_mean: bool) -> None:
    logits, teacher = drawn(ROWS, HEADS, 5), drawn(ROWS, 5)
    rest = (teacher, 2.0, torch.arange(1.0, ROWS + 1), KINDS, OUTPUTS)
    each = [soft_losses(head, *rest, shared_mean=shared_mean) for head in logits.unbind(1)]
    found = soft_losses(logits, *rest, shared_mean=shared_mean)
    torch.testing.assert_close(found, torch.stack(each).mean(0))


def test_a_single_head_stays_as_it_is() -> None:
    logits, wanted = drawn(ROWS, 5), labels()
    assert each_head(logits, wanted, None) == (logits, wanted, None)


def test_the_prediction_is_the_mean_of_the_heads_probabilities() -> None:
    logits = drawn(ROWS, HEADS, 5).double()
    found = mean_of_heads(logits, OUTPUTS, KINDS)
    probability = logits[:, :, 0].sigmoid().mean(1)
    torch.testing.assert_close(found[:, 0].sigmoid(), probability)
    classes = logits[:, :, 1:4].softmax(2).mean(1)
    torch.testing.assert_close(found[:, 1:4].softmax(1), classes)
    torch.testing.assert_close(found[:, 4], logits[:, :, 4].mean(1))


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[[200.0], [150.0]], [[-200.0], [-150.0]]])
    found = mean_of_heads(logits)
    assert found.isfinite().all()
    torch.testing.assert_close(found, -found.flip(0))
