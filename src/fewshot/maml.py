"""MAML: model-agnostic meta-learning. Finn, Abbeel, Levine, ICML 2017.

The inner loop adapts the meta-parameters to a task with a few gradient steps on its support images.
The outer loop learns meta-parameters from which these steps lead to a small loss on the query
images. The tasks of a batch are vectorised. A task is one episode.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from fewshot.episodes import Episodes

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class InnerLoop:
    """``steps`` of gradient descent with learning rate ``rate``.

    ``second_order``: whether the meta-gradient flows through these steps; if not, their gradients
    are treated as constants (first-order MAML).
    """

    rate: float
    steps: int
    second_order: bool


def loss(network: nn.Module, parameters: Parameters, images: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of images [N, 1, P, P] with labels [N] under ``parameters``."""
    return cross_entropy(functional_call(network, parameters, (images,)), labels)


def adapt(
    network: nn.Module, parameters: Parameters, images: Tensor, labels: Tensor, inner: InnerLoop
) -> list[Parameters]:
    """Adapt ``parameters`` to the support images of one task (eq. 1).

    Returns the parameters after each inner step.
    """

    def support_loss(at: Parameters) -> Tensor:
        return loss(network, at, images, labels)

    steps = []
    for _ in range(inner.steps):
        at = parameters
        if not inner.second_order:
            at = {name: value.detach() for name, value in parameters.items()}
        gradient = grad(support_loss)(at)
        parameters = {
            name: value - inner.rate * gradient[name] for name, value in parameters.items()
        }
        steps.append(parameters)
    return steps


def meta_loss(
    network: nn.Module,
    parameters: Parameters,
    episodes: Episodes,
    inner: InnerLoop,
    weights: Sequence[float],
) -> Tensor:
    """Query loss after adaptation, averaged over tasks (eq. 4).

    ``weights`` [S]: weight of the query loss after each inner step (see `step_weights`).
    """

    def task_loss(support: Tensor, query: Tensor) -> Tensor:
        steps = adapt(network, parameters, support, episodes.support_labels, inner)
        losses = [
            weight * loss(network, at, query, episodes.query_labels)
            for weight, at in zip(weights, steps, strict=True)
            if weight
        ]
        return torch.stack(losses).sum()

    return vmap(task_loss)(episodes.support, episodes.query).mean()


def step_weights(steps: int, iteration: int, multi_step: int) -> list[float]:
    """Weights of the query loss after each inner step, in ``iteration`` (from 0).

    The weights start equal and move linearly to the last step, which has all the weight from
    iteration ``multi_step`` on: the multi-step loss of Antoniou, Edwards, Storkey (ICLR 2019),
    which stabilises early training.
    """
    spread = max(0.0, 1 - iteration / multi_step) if multi_step else 0.0
    others = [spread / steps] * (steps - 1)
    return [*others, 1 - sum(others)]


def query_logits(
    network: nn.Module, parameters: Parameters, episodes: Episodes, inner: InnerLoop
) -> Tensor:
    """Logits [B, N, W] of the query images after adaptation, without gradients."""

    def task_logits(support: Tensor, query: Tensor) -> Tensor:
        steps = adapt(network, parameters, support, episodes.support_labels, inner)
        logits: Tensor = functional_call(network, steps[-1], (query,))
        return logits

    with torch.no_grad():
        return vmap(task_logits)(episodes.support, episodes.query)
