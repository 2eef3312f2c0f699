"""Products of probabilities as logits, and pooled fields, against plain reimplementations."""

from decimal import Decimal, localcontext
from math import nan

import pytest
import torch

from emm.core.errors import ParamsError
from emm.nn.funnel import (
    PooledFront,
    entire_space_labels,
    logit_of_product,
    over_entire_space,
)
from emm.nn.inputs import Inputs

LOGITS = [-50.0, -30.0, -3.0, 0.0, 0.7, 30.0, 50.0]
INPUTS = Inputs(dense=2, cardinalities=(3, 4, 2))
FIELDS = ("user", "item", "shop")


def exact(first: float, second: float) -> float:
    """log(p / (1 - p)), p = sigmoid(a) sigmoid(b), in 80 digits."""
    with localcontext() as context:
        context.prec = 80
        one, a, b = Decimal(1), Decimal(first), Decimal(second)
        p = one / (one + (-a).exp()) / (one + (-b).exp())
        return float((p / (one - p)).ln())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("first", LOGITS)
def test_the_logit_of_a_product_is_exact_for_extreme_logits(
    first: float, dtype: torch.dtype
) -> None:
    a, b = torch.full((len(LOGITS),), first, dtype=dtype), torch.tensor(LOGITS, dtype=dtype)
    expected = torch.tensor([exact(first, float(each)) for each in b], dtype=dtype)
    torch.testing.assert_close(logit_of_product(a, b), expected)


@pytest.mark.parametrize("first", LOGITS)
def test_the_gradient_of_the_logit_of_a_product_has_its_closed_form(first: float) -> None:
    """d logit / da = (1 - p_a) / (1 - p_a p_b)."""
    a = torch.full((len(LOGITS),), first, requires_grad=True)
    b = torch.tensor(LOGITS)
    logit_of_product(a, b).sum().backward()
    against = (-a.detach()).double().sigmoid()
    odds = logit_of_product(a.detach().double(), b.double())
    expected = against / torch.sigmoid(-odds)
    assert a.grad is not None
    torch.testing.assert_close(a.grad.double(), expected, rtol=1e-5, atol=1e-12)


def test_only_the_column_of_the_conversion_changes() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    found = over_entire_space(logits, (2, 0))
    assert torch.equal(found[:, 1:], logits[:, 1:])
    p = logits.sigmoid()
    torch.testing.assert_close(found[:, 0].sigmoid(), p[:, 2] * p[:, 0])


@pytest.mark.parametrize(
    ("click", "conversion", "known"),
    [
        (0.0, nan, 0.0),
        (0.0, 0.0, 0.0),
        (1.0, nan, nan),
        (1.0, 1.0, 1.0),
        (1.0, 0.0, 0.0),
        (nan, nan, nan),
        (nan, 1.0, 1.0),
        (nan, 0.0, 0.0),
    ],
)
def test_a_missing_conversion_without_a_click_is_none(
    click: float, conversion: float, known: float
) -> None:
    labels = torch.tensor([[conversion, 0.5, click]])
    found = entire_space_labels(labels, (2, 0))
    expected = torch.tensor([[known, 0.5, click]])
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    sparse = torch.tensor([[0, 3, 1], [2, 1, 0], [1, 1, 1]], dtype=torch.int32)
    return torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), sparse


def test_without_groups_it_is_the_plain_front() -> None:
    front = PooledFront(INPUTS, 4, "scaled", {}, ())
    assert torch.equal(front(*rows()), front.front(*rows()))
    assert front.width == front.front.width


def test_the_fields_of_a_group_are_summed_and_the_others_stay() -> None:
    front = PooledFront(INPUTS, 4, "scaled", {"both": ("shop", "user")}, FIELDS)
    dense, sparse = rows()
    user, item, shop = front.front.table(sparse).unbind(1)
    expected = torch.cat([dense, item, user + shop], dim=1)
    assert front.width == 2 + 2 * 4
    torch.testing.assert_close(front(dense, sparse), expected)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ParamsError, match="no sparse field is called 'itm'; did you mean 'item'"):
        PooledFront(INPUTS, 4, "scaled", {"goods": ("itm",)}, FIELDS)
