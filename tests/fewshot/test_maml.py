"""MAML against slow reference implementations: a loop over tasks, and finite differences."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, unfold

from fewshot.episodes import Episodes
from fewshot.maml import InnerLoop, Parameters, meta_loss, query_logits, step_weights
from fewshot.network import FewShotNetwork

WAYS, TASKS = 3, 4
TWO_STEPS = InnerLoop(rate=0.3, steps=2, second_order=True)
Forward = Callable[[Parameters, Tensor], Tensor]


def make_network() -> FewShotNetwork:
    torch.manual_seed(0)
    return FewShotNetwork(ways=WAYS, side=9, filters=4, blocks=3).double()


def make_episodes(side: int = 9) -> Episodes:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, TASKS, 2 * WAYS, 1, side, side, generator=generator).double()
    labels = torch.arange(WAYS).repeat_interleave(2)
    return Episodes(images[0], labels, images[1], labels)


def slow_loss(
    forward: Forward,
    parameters: Parameters,
    episodes: Episodes,
    inner: InnerLoop,
    weights: list[float],
) -> Tensor:
    """Loop over tasks and steps with plain autograd."""
    total = torch.zeros((), dtype=torch.float64)
    for support, query in zip(episodes.support, episodes.query, strict=True):
        at = dict(parameters)
        for weight in weights:
            value = cross_entropy(forward(at, support), episodes.support_labels)
            gradients = torch.autograd.grad(
                value, list(at.values()), create_graph=inner.second_order
            )
            at = {
                name: old - inner.rate * gradient
                for (name, old), gradient in zip(at.items(), gradients, strict=True)
            }
            total = total + weight * cross_entropy(forward(at, query), episodes.query_labels)
    return total / len(episodes.support)


def gradients_of(value: Tensor, parameters: Parameters) -> Tensor:
    found = torch.autograd.grad(value, list(parameters.values()))
    return torch.cat([gradient.flatten() for gradient in found])


@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize("weights", [[0.0, 1.0], [0.25, 0.75]])
def test_loss_and_meta_gradient_match_a_loop_over_tasks(
    weights: list[float], second_order: bool
) -> None:
    network, episodes = make_network(), make_episodes()
    inner = replace(TWO_STEPS, second_order=second_order)
    parameters = dict(network.named_parameters())

    def forward(at: Parameters, images: Tensor) -> Tensor:
        return functional_call(network, at, (images,))  # type: ignore[no-any-return]

    fast = meta_loss(network, parameters, episodes, inner, weights)
    slow = slow_loss(forward, parameters, episodes, inner, weights)
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(gradients_of(fast, parameters), gradients_of(slow, parameters))


def test_first_and_second_order_differ_only_in_the_gradient() -> None:
    network, episodes = make_network(), make_episodes()
    parameters = dict(network.named_parameters())
    values = [
        meta_loss(network, parameters, episodes, replace(TWO_STEPS, second_order=order), [0, 1])
        for order in (True, False)
    ]
    torch.testing.assert_close(*values)
    second, first = (gradients_of(value, parameters) for value in values)
    assert (second - first).abs().max() > 1e-4


def test_second_order_gradient_matches_finite_differences() -> None:
    network, episodes = make_network(), make_episodes()
    parameters = dict(network.named_parameters())
    gradient = gradients_of(meta_loss(network, parameters, episodes, TWO_STEPS, [0, 1]), parameters)
    generator = torch.Generator().manual_seed(2)
    direction = {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in parameters.items()
    }

    def moved(by: float) -> float:
        at = {name: value.detach() + by * direction[name] for name, value in parameters.items()}
        return float(meta_loss(network, at, episodes, TWO_STEPS, [0, 1]))

    step = 1e-6
    slope = (moved(step) - moved(-step)) / (2 * step)
    flat = torch.cat([value.flatten() for value in direction.values()])
    assert float(gradient @ flat) == pytest.approx(slope, rel=1e-6)


def by_matrix_products(parameters: Parameters, images: Tensor) -> Tensor:
    """The network with convolutions as products of unfolded patches, and torch's batch norm."""
    hidden = images
    for block in range(3):
        kernels = parameters[f"features.{block}.weight"]
        patches = unfold(hidden, 3, padding=1, stride=2)  # [N, 9·channels, positions]
        products = kernels.flatten(1) @ patches
        side = (hidden.shape[-1] + 1) // 2
        hidden = nn.functional.batch_norm(
            products.unflatten(2, (side, side)),
            None,
            None,
            parameters[f"features.{block}.scale"],
            parameters[f"features.{block}.shift"],
            training=True,
            eps=1e-3,
        ).relu()
    return hidden.mean((2, 3)) @ parameters["head.weight"].T + parameters["head.bias"]


def test_vectorised_convolutions_match_matrix_products_per_task() -> None:
    network, episodes = make_network(), make_episodes()
    parameters = dict(network.named_parameters())
    fast = meta_loss(network, parameters, episodes, TWO_STEPS, [0, 1])
    slow = slow_loss(by_matrix_products, parameters, episodes, TWO_STEPS, [0, 1])
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(gradients_of(fast, parameters), gradients_of(slow, parameters))


def test_query_logits_are_taken_after_adaptation_and_have_no_gradient() -> None:
    network, episodes = make_network(), make_episodes()
    parameters = dict(network.named_parameters())
    inner = replace(TWO_STEPS, second_order=False)
    logits = query_logits(network, parameters, episodes, inner)
    assert logits.shape == (TASKS, 2 * WAYS, WAYS)
    assert not logits.requires_grad
    value = cross_entropy(logits.flatten(0, 1), episodes.query_labels.repeat(TASKS))
    torch.testing.assert_close(
        value, meta_loss(network, parameters, episodes, inner, [0, 1]).detach()
    )


@pytest.mark.parametrize(
    ("iteration", "multi_step", "expected"),
    [
        (0, 0, [0.0, 0.0, 1.0]),
        (0, 10, [1 / 3, 1 / 3, 1 / 3]),
        (5, 10, [1 / 6, 1 / 6, 2 / 3]),
        (10, 10, [0.0, 0.0, 1.0]),
        (99, 10, [0.0, 0.0, 1.0]),
    ],
)
def test_step_weights_move_to_the_last_step(
    iteration: int, multi_step: int, expected: list[float]
) -> None:
    assert step_weights(3, iteration, multi_step) == pytest.approx(expected)
