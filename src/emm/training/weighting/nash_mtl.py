"""Nash-MTL: weights as the solution of a bargaining game. Navon et al., ICML 2022."""

import torch
from torch import Tensor

from emm.training.weighting.shared import SharedGradients

_STEPS = 60  # of Newton's method, which needs ten or so
_LEAST = 1e-6  # eigenvalue: opposite gradients have no solution, and float32 rounds to worse ones


class NashMTL(SharedGradients):
    """1/T sum_t w_t g_t at shared parameters, w > 0 in proportion to a, where G a = 1 / a.

    G_ij = g_i.g_j. It is the update that maximises the product of the tasks' gains within a ball:
    a task counts the more, the smaller its gradient, and no scale of a loss has an effect on the
    direction. See `SharedGradients`.
    Navon, Shamsian, Achituve, Maron, Kawaguchi, Chechik and Fetaya, "Multi-Task Learning as a
    Bargaining Game", ICML 2022, Claim 3.1. The paper approximates a by a sequence of convex
    programs. It is the minimum of the convex 1/2 a^T G a - sum_t log a_t, which Newton's method
    finds here to the last digits; its length, there of sqrt(T) steps, is that of the other rules.
    """

    def weigh(self, products: Tensor, tasks: Tensor) -> Tensor:
        """products [k, k], tasks [k] -> [k]."""
        found = bargain(products)
        return len(tasks) * found / found.sum()


def bargain(products: Tensor) -> Tensor:
    """The positive solution of G a = 1 / a: products [k, k] float64 -> [k]."""
    # Gradients of unit length, a* = a ||g||, are better conditioned.
    norms = products.diagonal().sqrt()
    values, vectors = torch.linalg.eigh(products / torch.outer(norms, norms))
    cosines = vectors @ torch.diag(values.clamp(min=_LEAST)) @ vectors.T
    found = torch.full_like(norms, len(norms) ** -0.5)
    for _ in range(_STEPS):
        slope = cosines @ found - found.reciprocal()
        step = torch.linalg.solve(cosines + torch.diag(found.reciprocal().square()), slope)
        # The function is self-concordant: a damped step keeps every weight above zero.
        decrement = float((slope @ step).clamp(min=0).sqrt())
        found = found - step / (1 + decrement if decrement > 0.25 else 1)
        if decrement < 1e-8:
            break
    return found / norms
