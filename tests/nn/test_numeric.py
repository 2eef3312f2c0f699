from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.numeric import NumericEmbedding, numeric_embedding

# Quarters are exact in float32, so values often lie exactly on an edge.
QUARTERS = st.integers(-8, 8).map(lambda n: n / 4)
EDGES = st.lists(st.lists(QUARTERS, max_size=6).map(sorted), min_size=1, max_size=4)
VALUES = st.lists(QUARTERS | st.floats(-3, 3, width=32), min_size=1, max_size=8)
WIDTH = 3


def embedding(edges: list[list[float]], piecewise: bool) -> NumericEmbedding:
    module = NumericEmbedding(edges, WIDTH, piecewise=piecewise)
    torch.nn.init.normal_(module.weight)
    return module


def same_values(values: list[float], features: int) -> Tensor:
    """The same values for every feature: [B, D]."""
    return torch.tensor(values, dtype=torch.float32).unsqueeze(1).expand(-1, features).contiguous()


def piecewise_vector(x: float, edges: list[float], weight: Tensor) -> Tensor:
    """Sum over the bins between two edges of how far x has crossed them (bin 0 is below all)."""
    inner = sorted(set(edges))
    total = torch.zeros(WIDTH)
    for number, (low, high) in enumerate(pairwise(inner), start=1):
        share = 0.0 if x <= low else 1.0 if x >= high else (x - low) / (high - low)
        total += share * weight[number]
    return total


def bin_of(x: float, edges: list[float]) -> int:
    """How many edges lie at or below x."""
    return sum(edge <= x for edge in set(edges))


@settings(deadline=None, max_examples=60)
@given(EDGES, VALUES)
def test_piecewise_equals_a_sum_bin_by_bin(edges: list[list[float]], values: list[float]) -> None:
    module = embedding(edges, piecewise=True)
    found = module(same_values(values, len(edges))).unflatten(1, (len(edges), WIDTH))
    for row, x in enumerate(values):
        for feature, quantiles in enumerate(edges):
            expected = piecewise_vector(x, quantiles, module.weight[feature].detach())
            torch.testing.assert_close(found[row, feature].detach(), expected)


@settings(deadline=None, max_examples=60)
@given(EDGES, VALUES)
def test_binned_is_exactly_the_vector_of_the_bin(
    edges: list[list[float]], values: list[float]
) -> None:
    module = embedding(edges, piecewise=False)
    found = module(same_values(values, len(edges))).unflatten(1, (len(edges), WIDTH))
    for row, x in enumerate(values):
        for feature, quantiles in enumerate(edges):
            assert torch.equal(found[row, feature], module.weight[feature, bin_of(x, quantiles)])


@pytest.mark.parametrize(
    ("x", "number"),
    [
        (-100.0, 0),
        (-1e-30, 0),
        (0.0, 1),
        (0.25, 1),
        (0.5, 2),
        (1.0, 3),
        (1e30, 3),
    ],
)
def test_a_value_at_an_edge_belongs_to_the_bin_above(x: float, number: int) -> None:
    module = embedding([[0.0, 0.5, 1.0]], piecewise=False)
    assert torch.equal(module(torch.tensor([[x]]))[0], module.weight[0, number])


@pytest.mark.parametrize(("x", "last"), [(-100.0, 0), (0.0, 0), (0.5, 1), (1.0, 2), (100.0, 2)])
def test_piecewise_is_a_running_sum_at_the_edges_and_constant_beyond(x: float, last: int) -> None:
    module = embedding([[0.0, 0.5, 1.0]], piecewise=True)
    expected = module.weight[0, 1 : 1 + last].sum(dim=0)
    torch.testing.assert_close(module(torch.tensor([[x]]))[0], expected)


@pytest.mark.parametrize("piecewise", [True, False])
def test_duplicate_edges_count_once(piecewise: bool) -> None:
    twice, once = (embedding([edges], piecewise) for edges in ([0.0, 0.0, 1.0, 1.0], [0.0, 1.0]))
    with torch.no_grad():
        twice.weight[:, :3] = once.weight
    x = torch.tensor([[-1.0], [0.0], [0.3], [1.0], [2.0]])
    assert torch.equal(twice(x), once(x))


def test_without_edges_there_is_one_bin_and_no_slope() -> None:
    x = torch.tensor([[-3.0], [0.0], [5.0]])
    binned, piecewise = embedding([[]], piecewise=False), embedding([[]], piecewise=True)
    assert torch.equal(binned(x), binned.weight[0].expand(3, -1))
    assert not piecewise(x).any()


def test_piecewise_has_no_jump_at_an_edge() -> None:
    module = embedding([[0.0, 0.25, 1.0]], piecewise=True)
    around = torch.tensor([[0.25 - 1e-6], [0.25 + 1e-6]])
    below, above = module(around)
    torch.testing.assert_close(below, above, rtol=0, atol=1e-4)


def test_the_gradient_reaches_only_the_bins_below_a_value() -> None:
    module = embedding([[0.0, 0.5, 1.0]], piecewise=True)
    module(torch.tensor([[0.25]])).sum().backward()
    assert module.weight.grad is not None
    assert module.weight.grad[0, :, 0].tolist() == [0.0, 0.5, 0.0, 0.0]


def test_the_edges_are_not_in_the_state_dict() -> None:
    assert list(embedding([[0.0, 1.0]], piecewise=True).state_dict()) == ["weight"]


def test_dense_embeddings_are_initialised_like_sparse_ones() -> None:
    weight = NumericEmbedding([[n / 64 for n in range(63)]] * 20, 16, piecewise=True).weight
    assert weight.mean().item() == pytest.approx(0, abs=3e-4)
    assert weight.std().item() == pytest.approx(0.01, rel=0.03)


INPUTS = Inputs(dense=2, cardinalities=(3, 4), edges=((0.0, 0.5), (0.25,)))
ROWS = torch.tensor([[0.1, 0.2], [0.7, 0.9]]), torch.tensor([[0, 3], [2, 1]], dtype=torch.int32)


@pytest.mark.parametrize("encoding", ["binned", "piecewise"])
def test_the_front_puts_dense_embeddings_after_the_scaled_numbers(encoding: str) -> None:
    front = FeatureFront(INPUTS, 5, encoding)
    features = front(*ROWS)
    assert features.shape == (2, front.width) == (2, 2 + 2 * 5 + 2 * 5)
    assert front.numeric is not None
    expected = [ROWS[0], front.numeric(ROWS[0]), front.table(ROWS[1]).flatten(1)]
    assert torch.equal(features, torch.cat(expected, dim=1))
    assert front.numeric.piecewise == (encoding == "piecewise")


def test_scaled_features_have_no_embeddings() -> None:
    torch.manual_seed(1)
    plain = FeatureFront(Inputs(2, (3, 4)), 5)
    torch.manual_seed(1)
    scaled = FeatureFront(INPUTS, 5, "scaled")
    assert scaled.width == 2 + 2 * 5
    assert list(scaled.state_dict()) == ["table.weight"]
    assert torch.equal(scaled(*ROWS), plain(*ROWS))


@pytest.mark.parametrize("encoding", ["scaled", "binned", "piecewise"])
def test_without_dense_features_there_is_nothing_to_embed(encoding: str) -> None:
    inputs = Inputs(dense=0, cardinalities=(3, 4))
    assert numeric_embedding(inputs, encoding, 5) is None
    front = FeatureFront(inputs, 5, encoding)
    assert front(torch.empty(2, 0), ROWS[1]).shape == (2, front.width) == (2, 10)
