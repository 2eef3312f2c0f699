"""Bernoulli gates with a straight-through gradient, and softmax over the open ones."""

from typing import Literal

import torch
from torch import Tensor

Softmax = Literal["open", "all"]
"""The experts over which the softmax of a reader is taken: the open ones, or all, as in the
authors' code, where the weights of the open ones have a sum below 1."""


def drawn(logits: Tensor) -> Tensor:
    """Sample each gate: 1 with probability sigmoid(beta), else 0; logits beta of any shape.

    The gradient is that of the probability (straight-through: Bengio, Leonard, Courville,
    "Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
    """
    probabilities = logits.sigmoid()
    draws = torch.bernoulli(probabilities.detach())
    return draws + (probabilities - probabilities.detach())


def opened(logits: Tensor) -> Tensor:
    """Open each gate, with the gradient of its probability; logits beta of any shape."""
    probabilities = logits.sigmoid()
    return 1 + (probabilities - probabilities.detach())


def decided(logits: Tensor) -> Tensor:
    """The more likely value of each gate: 1 where beta is positive, else 0."""
    return (logits > 0).to(logits.dtype)


def never_empty(gates: Tensor, logits: Tensor) -> Tensor:
    """The gates [R, K] with the most likely one opened where a row has none; logits [R, K]."""
    likeliest = torch.zeros_like(logits).scatter(1, logits.argmax(dim=1, keepdim=True), 1.0)
    empty = gates.detach().sum(dim=1, keepdim=True) == 0
    return gates + likeliest * empty


def softmax_of_all(scores: Tensor, gates: Tensor) -> Tensor:
    """g_k exp(s_k) / sum_j exp(s_j): the sum is over all experts, as in the authors' code; scores
    [B, R, K], gates [R, K] -> [B, R, K]."""
    return scores.softmax(dim=2) * gates


def softmax_of_open(scores: Tensor, gates: Tensor) -> Tensor:
    """g_k exp(s_k) / sum_j g_j exp(s_j); scores [B, R, K], gates [R, K] -> [B, R, K].

    Closed gates have weight 0, and the gradient of opening them.
    """
    powers = (scores - scores.amax(dim=2, keepdim=True)).exp() * gates
    # Where all open gates are 87 below a closed one, the sum underflows to 0 in float32.
    return powers / powers.sum(dim=2, keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)
