"""Batch norm over the rows of a batch that several processes share."""

from typing import Any

import torch
from torch import Tensor, distributed, nn


class _Sum(torch.autograd.Function):
    """The sum of every process's tensor; its gradient is the sum of every process's gradient."""

    @staticmethod
    def forward(_context: Any, own: Tensor) -> Tensor:
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


def _over_all(own: Tensor) -> Tensor:
    found: Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call]
    return found


class GlobalBatchNorm(nn.BatchNorm1d):
    """As BatchNorm1d, with statistics over all processes' rows: [B, H] -> [B, H].

    In eval mode, and in its weights and buffers, it is a BatchNorm1d. Unlike torch's
    SyncBatchNorm it also works on the CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Each process's rows by the mean and variance of all of them."""
        if not self.training:
            return super().forward(x)
        rows = _over_all(x.new_tensor([float(len(x))]))
        mean = _over_all(x.sum(dim=0)) / rows
        centred = x - mean
        variance = _over_all(centred.square().sum(dim=0)) / rows
        self._note(mean.detach(), variance.detach() * rows / (rows - 1))
        found: Tensor = centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        return found

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor) -> None:
        """Take a batch's statistics into those of the run."""
        for kept, own in ((self.running_mean, mean), (self.running_var, variance)):
            if kept is not None and self.momentum is not None:
                kept.lerp_(own, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def with_global_norms(model: nn.Module) -> nn.Module:
    """``model`` itself, each BatchNorm1d in it replaced by one over all processes' rows."""
    for name, child in model.named_children():
        if type(child) is nn.BatchNorm1d:
            setattr(model, name, _global(child))
        else:
            with_global_norms(child)
    return model


def _global(norm: nn.BatchNorm1d) -> GlobalBatchNorm:
    other = GlobalBatchNorm(norm.num_features, norm.eps, norm.momentum)
    other.weight, other.bias = norm.weight, norm.bias
    other.running_mean, other.running_var = norm.running_mean, norm.running_var
    other.num_batches_tracked = norm.num_batches_tracked
    return other.train(norm.training)
