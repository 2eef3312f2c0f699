"""Losses with tasks of several classes, missing labels and positive weights."""

from math import exp, isnan, log, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import vmap

from emm.nn.losses import labelled_rows, task_losses
from emm.nn.row_means import mean_over_rows

KINDS = ("binary", "classes", "regression", "binary")
OUTPUTS = (1, 3, 1, 1)
ROW = st.tuples(
    st.sampled_from([0.0, 1.0, nan]),
    st.sampled_from([0.0, 1.0, 2.0, nan]),
    st.one_of(st.just(nan), st.floats(-3, 3)),
    st.sampled_from([0.0, 1.0, nan]),
)


def logits_for(rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, sum(OUTPUTS), generator=generator, dtype=torch.float64)


def loss_of_row(task: int, row: list[float], label: float, positive: float = 1.0) -> float:
    """The loss of one task for one row with its six logits."""
    if KINDS[task] == "regression":
        return (row[4] - label) ** 2
    if KINDS[task] == "classes":
        return -log(exp(row[1 + int(label)]) / sum(map(exp, row[1:4])))
    p = 1 / (1 + exp(-row[0 if task == 0 else 5]))
    return -positive * log(p) if label else -log(1 - p)


def by_hand(
    logits: Tensor, labels: list, weights: list[float], positive: tuple[float, ...]
) -> list[float]:
    """Weighted mean of each task over its labelled rows, row by row."""
    found = []
    for task in range(4):
        rows = [n for n, row in enumerate(labels) if not isnan(row[task])]
        total = sum(weights[n] for n in rows)
        each = (
            weights[n] * loss_of_row(task, logits[n].tolist(), labels[n][task], positive[task])
            for n in rows
        )
        found.append(sum(each) / total if rows else 0.0)
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.lists(ROW, min_size=1, max_size=7),
    st.booleans(),
    st.sampled_from([(), (3.0, 1.0, 1.0, 0.5)]),
)
def test_each_loss_is_the_mean_over_the_labelled_rows(
    labels: list, weighted: bool, positive: tuple[float, ...]
) -> None:
    logits = logits_for(len(labels))
    weights = torch.arange(1, len(labels) + 1).double() / 2 if weighted else None
    found = task_losses(
        logits, torch.tensor(labels).double(), weights, KINDS, OUTPUTS, True, positive
    )
    plain = weights.tolist() if weighted else [1.0] * len(labels)
    expected = by_hand(logits, labels, plain, positive or (1.0,) * 4)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.lists(ROW, min_size=1, max_size=7))
def test_the_gradient_is_that_of_the_labelled_rows_alone(labels: list) -> None:
    logits = logits_for(len(labels)).requires_grad_()
    table = torch.tensor(labels).double()
    task_losses(logits, table, None, KINDS, OUTPUTS, True).sum().backward()
    expected = torch.zeros_like(logits)
    start = 0
    for task, width in enumerate(OUTPUTS):
        columns = slice(start, start + width)
        start += width
        rows = (~table[:, task].isnan()).nonzero().flatten()
        if len(rows):
            own = logits.detach()[rows, columns].requires_grad_()
            kinds = (KINDS[task],)
            task_losses(own, table[rows, task : task + 1], None, kinds, (width,)).sum().backward()
            expected[rows, columns] = own.grad
    torch.testing.assert_close(logits.grad, expected)


def test_the_loss_of_a_task_of_classes_is_the_softmax_cross_entropy_of_torch() -> None:
    logits, labels = torch.randn(9, 5), torch.randint(0, 5, (9,))
    weights = torch.rand(9) + 0.1
    plain = task_losses(logits, labels.float().unsqueeze(1), None, ("classes",), (5,))
    torch.testing.assert_close(plain[0], nn.CrossEntropyLoss()(logits, labels))
    each = nn.CrossEntropyLoss(reduction="none")(logits, labels)
    weighted = task_losses(logits, labels.float().unsqueeze(1), weights, ("classes",), (5,))
    torch.testing.assert_close(weighted[0], (weights * each).sum() / weights.sum())


def test_a_positive_weight_is_the_pos_weight_of_torch() -> None:
    logits, labels = torch.randn(20, 2), torch.randint(0, 2, (20, 2)).float()
    factors = (3.0, 0.25)
    found = task_losses(logits, labels, positive_weights=factors)
    for task, factor in enumerate(factors):
        loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(factor))
        torch.testing.assert_close(found[task], loss(logits[:, task], labels[:, task]))


def test_positive_weights_of_one_change_nothing() -> None:
    logits, labels = torch.randn(64, 3), torch.randint(0, 2, (64, 3)).float()
    found = task_losses(logits, labels, positive_weights=(1.0, 1.0, 1.0))
    torch.testing.assert_close(found, task_losses(logits, labels), rtol=1e-6, atol=0)


def test_a_task_without_labels_has_neither_loss_nor_gradient() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    labels = torch.tensor([[nan, 1.0], [nan, 0.0], [nan, nan]])
    losses = task_losses(logits, labels, partly_labelled=True)
    losses.sum().backward()
    assert losses[0] == 0
    assert logits.grad is not None
    assert not logits.grad[:, 0].any()
    assert not logits.grad[2].any()
    assert logits.grad[:2, 1].all()


def test_an_extreme_logit_of_a_row_without_label_has_no_effect() -> None:
    logits = torch.tensor([[1e5], [0.0]], requires_grad=True)
    losses = task_losses(logits, torch.tensor([[nan], [1.0]]), partly_labelled=True)
    losses.sum().backward()
    assert losses.tolist() == pytest.approx([log(2)])
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [0.0, -0.5]


def test_the_losses_can_be_vectorised() -> None:
    labels = torch.tensor([[1.0, 2.0, 0.3, nan], [nan, 0.0, nan, nan], [0.0, nan, 1.0, 1.0]])
    pairs = torch.stack([labels, labels.flip(0)]).double()
    logits = torch.stack([logits_for(3), 2 * logits_for(3)])

    def losses(one: Tensor, own: Tensor) -> Tensor:
        return task_losses(one, own, None, KINDS, OUTPUTS, True, (2.0, 1.0, 1.0, 1.0))

    each = torch.stack([losses(*pair) for pair in zip(logits, pairs, strict=True)])
    torch.testing.assert_close(vmap(losses)(logits, pairs), each)


def test_labelled_rows_are_counted_per_task() -> None:
    labels = torch.tensor([[1.0, nan], [nan, nan], [0.0, 2.0]])
    assert labelled_rows(labels).tolist() == [2.0, 1.0]


def test_a_mean_without_weight_is_zero_and_flat() -> None:
    values = torch.tensor([2.0, 5.0], requires_grad=True)
    mean = mean_over_rows(values, torch.zeros(2))
    mean.backward()
    assert mean == 0
    assert values.grad is not None
    assert not values.grad.any()
