"""Bernoulli gates with a straight-through gradient, and softmax over what they leave open."""

import torch
from torch import Tensor


def drawn(logits: Tensor) -> Tensor:
    """A draw of each gate, 1 with probability sigmoid(beta), else 0; logits beta of any shape.

    Backwards a draw counts as its probability (straight-through: Bengio, Leonard, Courville,
    "Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
    """
    probabilities = logits.sigmoid()
    draws = torch.bernoulli(probabilities.detach())
    return draws + (probabilities - probabilities.detach())


def decided(logits: Tensor) -> Tensor:
    """Each gate's likelier value: 1 where beta is positive, else 0."""
    return (logits > 0).to(logits.dtype)


def never_empty(gates: Tensor, logits: Tensor) -> Tensor:
    """The gates [R, K], and in a row without an open one also its likeliest; logits [R, K]."""
    likeliest = torch.zeros_like(logits).scatter(1, logits.argmax(dim=1, keepdim=True), 1.0)
    empty = gates.detach().sum(dim=1, keepdim=True) == 0
    return gates + likeliest * empty


def softmax_of_open(scores: Tensor, gates: Tensor) -> Tensor:
    """g_k exp(s_k) / sum_j g_j exp(s_j); scores [B, R, K], gates [R, K] -> [B, R, K].

    Closed gates have weight 0, and a gradient that says what opening them would do.
    """
    powers = (scores - scores.amax(dim=2, keepdim=True)).exp() * gates
    # An open gate that is 87 below a closed one would leave nothing to divide by in float32.
    return powers / powers.sum(dim=2, keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)
