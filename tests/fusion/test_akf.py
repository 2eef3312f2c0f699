from math import sqrt
from typing import get_args

import pytest
import torch
from torch import Tensor

from emm.fusion.akf import AdaptiveKnowledgeFusion, MultiTaskMerge
from emm.fusion.settings import Projections

WIDTH, IN = 4, 3


def plain_merge(merge: MultiTaskMerge, task: int, tokens: list[Tensor]) -> Tensor:
    """Eqs. 4-6 for one row and task."""
    weight, bias = merge.projections.weight[task], merge.projections.bias
    lines = [weight @ token + (0 if bias is None else bias[task]) for token in tokens]
    if merge.activated:
        lines = [line * (line > 0) for line in lines]
    queries, keys, values = zip(*(line.chunk(3) for line in lines), strict=True)
    scores = torch.stack([q @ k / sqrt(len(q)) for q, k in zip(queries, keys, strict=True)])
    shares = scores.exp() / scores.exp().sum()
    return sum(share * value for share, value in zip(shares, values, strict=True))


def plain_within(akf: AdaptiveKnowledgeFusion, x: Tensor, outputs: list[Tensor]) -> Tensor:
    """Eq. 2, row by row and task by task."""
    fused = torch.empty(len(x), len(outputs), outputs[0].shape[2], dtype=x.dtype)
    for row in range(len(x)):
        for task, components in enumerate(outputs):
            gate = akf.gates[task]
            scores = gate.weight @ x[row, task] + gate.bias
            shares = scores.exp() / scores.exp().sum()
            fused[row, task] = sum(s * h for s, h in zip(shares, components[row], strict=True))
    return fused


def plain_fusion(akf: AdaptiveKnowledgeFusion, x: Tensor, outputs: list[Tensor]) -> Tensor:
    """Eqs. 2-6, row by row and task by task."""
    fused = plain_within(akf, x, outputs)
    result = torch.empty_like(fused)
    for row in range(len(x)):
        for task in range(len(outputs)):
            scores = akf.selection.weight[task] @ x[row, task] + akf.selection.bias[task]
            others = [other for other in range(len(outputs)) if other != task]
            partner = max(others, key=lambda other: scores[other].item())
            tokens = [fused[row, task], fused[row, partner]]
            result[row, task] = plain_merge(akf.merge, task, tokens)
    return result


def case(
    tasks: int, rows: int, projections: Projections = "linear"
) -> tuple[AdaptiveKnowledgeFusion, Tensor, list[Tensor]]:
    torch.manual_seed(tasks)
    models = [1 + task % 3 for task in range(tasks)]
    akf = AdaptiveKnowledgeFusion(models, IN, WIDTH, projections=projections).double().eval()
    x = torch.randn(rows, tasks, IN, dtype=torch.float64)
    outputs = [torch.randn(rows, count, WIDTH, dtype=torch.float64) for count in models]
    return akf, x, outputs


@pytest.mark.parametrize("tasks", [2, 3, 4])
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("projections", get_args(Projections))
def test_it_equals_a_direct_implementation_of_the_equations(
    tasks: int, rows: int, projections: Projections
) -> None:
    akf, x, outputs = case(tasks, rows, projections)
    torch.testing.assert_close(akf(x, outputs), plain_fusion(akf, x, outputs))


def test_only_linear_projections_have_a_bias_or_no_activation() -> None:
    found = {kind: case(2, 1, kind)[0].merge for kind in get_args(Projections)}
    assert {kind: merge.activated for kind, merge in found.items()} == {
        "activated": True,
        "linear": False,
        "linear-no-bias": False,
    }
    without = [kind for kind, merge in found.items() if merge.projections.bias is None]
    assert without == ["linear-no-bias"]


def test_activated_projections_merge_to_no_negative_number() -> None:
    akf, x, outputs = case(3, 20, "activated")
    assert akf(x, outputs).min() >= 0 > case(3, 20)[0](x, outputs).min()


@pytest.mark.parametrize("tasks", [2, 3])
def test_without_merge_each_task_keeps_the_output_of_its_gate(tasks: int) -> None:
    akf, x, outputs = case(tasks, 5)
    without_merge = AdaptiveKnowledgeFusion(
        [len(own[0]) for own in outputs], IN, WIDTH, merge=False
    )
    without_merge.double().gates.load_state_dict(akf.gates.state_dict())
    assert torch.equal(without_merge(x, outputs), akf.fuse_within(x, outputs))
    assert {name.split(".")[0] for name in without_merge.state_dict()} == {"gates"}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_the_selection_is_one_other_task(tasks: int, training: bool) -> None:
    akf, x, _ = case(tasks, 5)
    chosen = akf.train(training).select(akf.selection(x)).detach()
    torch.testing.assert_close(chosen, chosen.round())
    torch.testing.assert_close(chosen.sum(2), torch.ones(5, tasks, dtype=torch.float64))
    assert chosen.diagonal(dim1=1, dim2=2).abs().max() == 0


def test_training_samples_partners_with_the_probabilities_of_the_gates() -> None:
    akf, _, _ = case(3, 1)
    x = torch.randn(1, 3, IN, dtype=torch.float64).expand(20_000, -1, -1)
    scores = akf.selection(x)
    drawn = akf.train().select(scores).detach().mean(0)
    scores = scores[0].masked_fill(torch.eye(3, dtype=torch.bool), -torch.inf)
    torch.testing.assert_close(drawn, scores.softmax(1), atol=0.02, rtol=0)


@pytest.mark.parametrize("tasks", [3, 4])
def test_the_selection_gets_a_gradient(tasks: int) -> None:
    akf, x, outputs = case(tasks, 5)
    akf.train()(x, outputs).square().sum().backward()
    assert (akf.selection.weight.grad.abs().amax(dim=(1, 2)) > 0).all()


@pytest.mark.parametrize("tasks", [3, 4])
def test_training_finds_the_useful_partner(tasks: int) -> None:
    """Task 0's label is a sum that only the last task's components know; it must pair with it."""
    torch.manual_seed(0)
    akf = AdaptiveKnowledgeFusion([1] * tasks, IN, WIDTH)
    with torch.no_grad():
        akf.selection.weight.zero_()
        akf.selection.bias.zero_()
        akf.selection.bias[0, 1] = 0.5
    optimiser = torch.optim.Adam(akf.parameters(), lr=0.02)
    x = torch.ones(256, tasks, IN)
    assert akf.eval().select(akf.selection(x))[0, 0].argmax() == 1
    akf.train()
    for _ in range(300):
        outputs = [torch.randn(256, 1, WIDTH) for _ in range(tasks)]
        z = akf(x, outputs)
        loss = (z[:, 0].sum(1) - outputs[-1][:, 0].sum(1)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert akf.eval().select(akf.selection(x))[0, 0].argmax() == tasks - 1
