"""Number of operations of a model.

`torch.utils.flop_counter.FlopCounterMode` counts the same, with the same formulas, but imports
torch's compiler for it, which takes longer than an evaluation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


@torch.no_grad()
def count_operations(model: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Multiplications and additions of the matrix products in ``model(*inputs)``."""
    counter = _Counter()  # type: ignore[no-untyped-call]
    with counter:
        model(*inputs)
    return counter.total


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation that reaches a kernel; composed ones are taken apart first."""

    total = 0


def _count(
    self: _Counter,
    operation: Any,
    _types: Sequence[type],
    args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    given = kwargs or {}
    formula: Callable[..., int] | None = flop_registry.get(operation._overloadpacket)
    if formula is None:
        with self:
            parts = operation.decompose(*args, **given)
        if parts is not NotImplemented:
            return parts
    found = operation(*args, **given)
    if formula is not None:
        self.total += formula(*args, **given, out_val=found)
    return found


# Set here since torch wraps a method of the class's body so that its first call imports the
# compiler.
_Counter.__torch_dispatch__ = _count  # type: ignore[assignment, method-assign]
