"""GradVac: gradients as aligned as they used to be. Wang et al., ICLR 2021."""

import torch
from torch import Tensor

from emm.config.binding import Share
from emm.training.weighting.shared import SharedGradients
from emm.training.weighting.torchjd_rule import torchjd_weighting

_EPSILON = 1e-12  # added to products of lengths, of which no one is 0


class GradVac(SharedGradients):
    """1/T sum_t g'_t at shared parameters, g' with at least the usual cosines to other gradients.

    g' starts as g_t. For every other task j, in random order, it is moved along g_j until its
    cosine with g_j is phi_tj, if it is less; phi is the moving average of these cosines, from 0,
    with the weight ``beta`` of the newest. PCGrad is the case where phi stays 0. The orders come
    from the run's random numbers. By torchjd; see `SharedGradients`.
    Wang, Tsvetkov, Firat and Cao, "Gradient Vaccine: Investigating and Improving Multi-task
    Optimization in Massively Multilingual Models", ICLR 2021, Algorithm 1 (there the sum).
    """

    def __init__(self, tasks: int, *, beta: Share = 0.5) -> None:
        super().__init__(tasks)
        # Of k tasks that have a gradient; not modules of this one, as they stay on the CPU.
        self._rules = {k: _primed(k, beta) for k in range(2, tasks + 1)}
        self.cosines = torch.zeros(tasks, tasks, dtype=torch.float64)

    def weigh(self, products: Tensor, tasks: Tensor) -> Tensor:
        """products [k, k], tasks [k] -> [k]; the cosines of other tasks stay."""
        rule, places = self._rules[len(tasks)], (tasks[:, None], tasks)
        (name,) = rule.state_dict()
        rule.load_state_dict({name: self.cosines[places]})
        weights: Tensor = rule(products)
        self.cosines[places] = rule.state_dict()[name]
        return weights

    def get_extra_state(self) -> Tensor:
        """The averages of the cosines, [T, T]."""
        return self.cosines

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what `get_extra_state` returned."""
        self.cosines.copy_(state)


def _primed(tasks: int, beta: float) -> torch.nn.Module:
    """A rule whose average of so many tasks' cosines is part of its state."""
    rule: torch.nn.Module = torchjd_weighting("GradVacWeighting", beta=beta, eps=_EPSILON)
    with torch.random.fork_rng(devices=[]):
        rule(torch.eye(tasks, dtype=torch.float64))
    return rule
