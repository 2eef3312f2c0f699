"""Batch norm over all rows of a batch that is split among several processes."""

from typing import Any

import torch
from torch import Tensor, distributed, nn


class _Sum(torch.autograd.Function):
    """Sum of a tensor over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(_context: Any, local: Tensor) -> Tensor:
        total = local.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


def _sum_over_processes(local: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(local)  # type: ignore[no-untyped-call]
    return total


class GlobalBatchNorm(nn.BatchNorm1d):
    """A BatchNorm1d with statistics over the rows of all processes: [B, H] -> [B, H].

    Parameters, buffers and eval mode are those of BatchNorm1d. Unlike torch's SyncBatchNorm it
    also works on the CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the rows of this process by the mean and variance of all rows."""
        if not self.training:
            return super().forward(x)
        rows = _sum_over_processes(x.new_tensor([float(x.shape[0])]))
        mean = _sum_over_processes(x.sum(dim=0)) / rows
        centred = x - mean
        variance = _sum_over_processes(centred.square().sum(dim=0)) / rows
        self._update_running_statistics(mean.detach(), variance.detach() * rows / (rows - 1))
        y: Tensor = centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        return y

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        for running, current in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None and self.momentum is not None:
                running.lerp_(current, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def with_global_norms(model: nn.Module) -> nn.Module:
    """Replace each BatchNorm1d in ``model``, in place, by a `GlobalBatchNorm`."""
    for name, child in model.named_children():
        if type(child) is nn.BatchNorm1d:
            setattr(model, name, _global_norm(child))
        else:
            with_global_norms(child)
    return model


def _global_norm(norm: nn.BatchNorm1d) -> GlobalBatchNorm:
    """A `GlobalBatchNorm` that shares the parameters and buffers of ``norm``."""
    twin = GlobalBatchNorm(norm.num_features, norm.eps, norm.momentum)
    twin.weight, twin.bias = norm.weight, norm.bias
    twin.running_mean, twin.running_var = norm.running_mean, norm.running_var
    twin.num_batches_tracked = norm.num_batches_tracked
    return twin.train(norm.training)
