from typing import Any

import pytest
import torch
from torch import nn

from emm.automtl.operators import Choice, MLPOperator, PublishedOperator
from emm.automtl.space import WIDTHS


def choice(*names: str, **changes: Any) -> Choice:
    torch.manual_seed(0)
    made = Choice(names, 4, dropout=0.0, **changes)
    with torch.no_grad():
        if made.alpha is not None:
            made.alpha.normal_()
    return made


def normalised(y: torch.Tensor) -> torch.Tensor:
    return (y - y.mean(dim=0)) / (y.var(dim=0, unbiased=False) + 1e-5).sqrt()


def restated(made: Choice, x: torch.Tensor) -> torch.Tensor:
    """The output, computed candidate by candidate from their weights."""
    total = torch.zeros(len(x), 4)
    for weight, each in zip(made.alpha.softmax(dim=0), made.candidates.values(), strict=True):
        found = x
        if isinstance(each, MLPOperator):
            hidden = (x @ each.expand.weight.T + each.expand.bias).clamp_min(0)
            found = normalised(hidden @ each.project.weight.T + each.project.bias)
        elif isinstance(each, PublishedOperator):
            hidden = normalised(x @ each.expand.weight.T + each.expand.bias).clamp_min(0)
            found = (hidden @ each.project.weight.T + each.project.bias).clamp_min(0)
        elif isinstance(each, nn.Linear):
            assert each.bias is None
            found = x @ each.weight.T
        total = total + weight * found
    return total


def test_a_choice_is_the_weighted_sum_of_its_candidates() -> None:
    made, x = choice("identity", "mlp-16", "mlp-64"), torch.randn(9, 4)
    torch.testing.assert_close(made(x), restated(made, x))


@pytest.mark.parametrize("norm", ["output", "hidden"])
@pytest.mark.parametrize("in_width", [None, 7])
def test_a_choice_of_published_operators_or_of_wide_inputs(norm: str, in_width: int | None) -> None:
    made = choice("identity", "mlp-16", "mlp-64", norm=norm, in_width=in_width)
    x = torch.randn(9, in_width or 4)
    torch.testing.assert_close(made(x), restated(made, x))


def test_published_operators_drop_their_inputs() -> None:
    made, x = PublishedOperator(6, 4, 16, dropout=1.0), torch.randn(5, 6)
    torch.testing.assert_close(made(x), made(torch.zeros(5, 6)))
    assert not torch.equal(made.eval()(x), made(torch.zeros(5, 6)))


def test_candidates_without_the_identity_are_mixed() -> None:
    made, x = choice("mlp-16", "mlp-32"), torch.randn(9, 4)
    torch.testing.assert_close(made(x), restated(made, x))


def test_fixing_keeps_the_named_candidate_and_removes_the_others() -> None:
    made = choice(*WIDTHS)
    before = dict(made.named_parameters())
    gone = {id(each) for each in made.fix("mlp-128")}
    left = [name for name, each in before.items() if id(each) not in gone]
    assert made.names == ("mlp-128",)
    assert left == [name for name in before if "candidates.mlp-128." in name]
    assert [id(each) for each in made.parameters()] == [id(before[name]) for name in left]


def test_a_fixed_choice_equals_its_candidate() -> None:
    made, x = choice("identity", "mlp-16").eval(), torch.randn(5, 4)
    alone = made.candidates["mlp-16"]
    made.fix("mlp-16")
    torch.testing.assert_close(made(x), alone(x))


def test_a_choice_of_only_the_identity_changes_nothing() -> None:
    made, x = choice("identity", "mlp-16"), torch.randn(5, 4)
    made.fix("identity")
    assert made(x) is x
    assert list(made.parameters()) == []


def test_a_choice_of_one_candidate_is_fixed() -> None:
    assert choice("mlp-16").alpha is None
