"""The values that an operator reads: tensors, and constants that are no weights."""

from dataclasses import dataclass

import torch
from torch import Tensor

DTYPES = {"int64": torch.int64, "bool": torch.bool, "float32": torch.float32}


@dataclass(frozen=True)
class Constant:
    """A few numbers in row-major order: axes, sizes, indices, or one factor."""

    values: tuple[float, ...]
    shape: tuple[int, ...]
    dtype: str

    def tensor(self, like: Tensor) -> Tensor:
        """The numbers as a tensor where ``like`` lies, floating-point ones in its precision."""
        dtype = DTYPES[self.dtype]
        if dtype.is_floating_point and like.is_floating_point():
            dtype = like.dtype
        return torch.tensor(self.values, dtype=dtype, device=like.device).reshape(self.shape)


Value = Tensor | Constant | None
"""An operator's input; None if it is left out."""


def ints(value: Value) -> list[int]:
    """Axes, sizes or indices, which are constants."""
    if not isinstance(value, Constant):
        raise TypeError("axes and sizes have to be constants")
    return [int(number) for number in value.values]


def tensors(*values: Value) -> tuple[Tensor, ...]:
    """``values`` as tensors where the first tensor among them lies."""
    like = next((each for each in values if isinstance(each, Tensor)), torch.zeros(()))
    return tuple(as_tensor(each, like) for each in values)


def as_tensor(value: Value, like: Tensor) -> Tensor:
    """``value`` as a tensor where ``like`` lies."""
    if isinstance(value, Constant):
        return value.tensor(like)
    if value is None:
        raise TypeError("an operator lacks an input")
    return value
