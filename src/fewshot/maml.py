"""Model-agnostic meta-learning: Finn, Abbeel, Levine, ICML 2017.

A task's parameters are the meta-parameters after a few gradient steps on its support images; the
meta-parameters are those from which these steps lead to a small loss on its query images. All tasks
of a batch are computed at once.
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
    """``steps`` of gradient descent with learning rate ``rate``; ``second_order``: whether the
    meta-gradient goes through them, or takes them for constants (first-order MAML)."""

    rate: float
    steps: int
    second_order: bool


def loss(network: nn.Module, parameters: Parameters, images: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of one task's images [N, 1, P, P] with classes [N]."""
    return cross_entropy(functional_call(network, parameters, (images,)), labels)


def adapted(
    network: nn.Module, parameters: Parameters, images: Tensor, labels: Tensor, inner: InnerLoop
) -> list[Parameters]:
    """One task's parameters after each inner step on its support images (equation 1)."""

    def support_loss(at: Parameters) -> Tensor:
        return loss(network, at, images, labels)

    path = []
    for _ in range(inner.steps):
        at = parameters
        if not inner.second_order:
            at = {name: value.detach() for name, value in parameters.items()}
        gradient = grad(support_loss)(at)
        parameters = {
            name: value - inner.rate * gradient[name] for name, value in parameters.items()
        }
        path.append(parameters)
    return path


def meta_loss(
    network: nn.Module,
    parameters: Parameters,
    episodes: Episodes,
    inner: InnerLoop,
    weights: Sequence[float],
) -> Tensor:
    """Mean over tasks of the query loss after adaptation (equation 4), with ``weights`` [S] of the
    inner steps: all on the last one, or spread (see `step_weights`)."""

    def of_task(support: Tensor, query: Tensor) -> Tensor:
        path = adapted(network, parameters, support, episodes.support_labels, inner)
        losses = [
            weight * loss(network, at, query, episodes.query_labels)
            for weight, at in zip(weights, path, strict=True)
            if weight
        ]
        return torch.stack(losses).sum()

    return vmap(of_task)(episodes.support, episodes.query).mean()


def step_weights(steps: int, iteration: int, multi_step: int) -> list[float]:
    """What the query loss after each inner step counts in ``iteration``, from 0.

    At first all steps count alike, and by iteration ``multi_step`` the last one alone: the
    multi-step loss of Antoniou, Edwards, Storkey (ICLR 2019), which steadies early training.
    """
    spread = max(0.0, 1 - iteration / multi_step) if multi_step else 0.0
    others = [spread / steps] * (steps - 1)
    return [*others, 1 - sum(others)]


def query_logits(
    network: nn.Module, parameters: Parameters, episodes: Episodes, inner: InnerLoop
) -> Tensor:
    """Logits [B, N, W] of the query images after each task's adaptation; no gradients."""

    def of_task(support: Tensor, query: Tensor) -> Tensor:
        path = adapted(network, parameters, support, episodes.support_labels, inner)
        logits: Tensor = functional_call(network, path[-1], (query,))
        return logits

    with torch.no_grad():
        return vmap(of_task)(episodes.support, episodes.query)
