"""Bytes that operations read and write, counted as `FlopCounterMode` counts products."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TrafficMode(TorchDispatchMode):
    """Adds up the bytes of the inputs and outputs of every operation that isn't a view.

    An operation that updates a tensor in place reads and writes it. Operations that read only some
    rows of a table, such as a gather, are counted with the rows they return.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func.is_view or func in _FREE:
            return found
        written = _bytes([*tree_leaves(found), *_updated(func, args, kwargs or {})])
        read = written if func in _GATHERS else _bytes(tree_leaves((args, kwargs)))
        self.bytes += read + written
        return found


def _updated(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """The tensors among the arguments that an operation writes to."""
    named = {each.name: each for each in func._schema.arguments}
    given = {**dict(zip(named, args, strict=False)), **kwargs}
    written = [
        value
        for name, value in given.items()
        if named[name].alias_info is not None and named[name].alias_info.is_write
    ]
    return tree_leaves(written)


def _bytes(leaves: Iterable[Any]) -> int:
    """The size of all tensors, each counted once."""
    tensors = {id(each): each for each in leaves if isinstance(each, Tensor)}
    return sum(each.numel() * each.element_size() for each in tensors.values())


_aten = torch.ops.aten
_FREE = {_aten.detach.default, _aten.empty.memory_format, _aten.empty_like.default}
_GATHERS = {_aten.index_select.default, _aten.embedding.default}
