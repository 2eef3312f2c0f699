"""ONNX operators that move, repeat or select elements, in torch."""

from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from emm.outside.onnx.elementwise import Attributes, Operator
from emm.outside.onnx.values import Value, ints, tensors


def _axes(inputs: Sequence[Value], attributes: Attributes) -> list[int]:
    """Axes by the second input, or, in older files, by attribute."""
    if len(inputs) > 1 and inputs[1] is not None:
        return ints(inputs[1])
    return list(attributes.get("axes") or ())


def _reshape(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    """0 keeps a size, unless ``allowzero``; -1 is what remains."""
    x = tensors(inputs[0])[0]
    sizes = ints(inputs[1]) if len(inputs) > 1 else list(attributes["shape"])
    if not attributes.get("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x = tensors(inputs[0])[0]
    axis = attributes.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(prod(x.shape[:axis]), -1)


def _transpose(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x = tensors(inputs[0])[0]
    return x.permute(*(attributes.get("perm") or reversed(range(x.dim()))))


def _squeeze(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x = tensors(inputs[0])[0]
    axes = _axes(inputs, attributes)
    return x.squeeze(tuple(axes)) if axes else x.squeeze()


def _unsqueeze(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x = tensors(inputs[0])[0]
    axes = _axes(inputs, attributes)
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _expand(inputs: Sequence[Value], _: Attributes) -> Tensor:
    x, sizes = tensors(inputs[0])[0], ints(inputs[1])
    return x.expand(torch.broadcast_shapes(x.shape, sizes))  # type: ignore[no-untyped-call]


def _tile(inputs: Sequence[Value], _: Attributes) -> Tensor:
    return tensors(inputs[0])[0].repeat(ints(inputs[1]))


def _concat(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    return torch.cat(tensors(*inputs), dim=attributes["axis"])


def _split(inputs: Sequence[Value], attributes: Attributes) -> tuple[Tensor, ...]:
    """By the sizes of the second input, or, in older files, by attribute; else into equal parts,
    the last of which may be smaller."""
    x, axis = tensors(inputs[0])[0], attributes.get("axis", 0)
    given = inputs[1] if len(inputs) > 1 else None
    sizes = list(attributes.get("split") or ()) if given is None else ints(given)
    if sizes:
        return torch.split(x, sizes, dim=axis)
    size = -(-x.shape[axis] // attributes["outputs"])
    return torch.split(x, size, dim=axis)


def _slice(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    """From start to end in steps, also backwards, on each of the axes."""
    x = tensors(inputs[0])[0]
    starts, ends, axes, steps = (
        ints(value) if value is not None else list(attributes.get(name) or ())
        for value, name in zip(
            [*inputs[1:], *[None] * 4][:4], ("starts", "ends", "axes", "steps"), strict=True
        )
    )
    axes = axes or list(range(len(starts)))
    steps = steps or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        chosen = range(*slice(start, _end(end, step), step).indices(x.shape[axis]))
        if step == 1:
            x = x.narrow(axis, chosen.start, len(chosen))
        else:
            x = x.index_select(axis, torch.tensor(list(chosen), device=x.device))
    return x


def _end(end: int, step: int) -> int | None:
    """Python's end of a slice: a step backwards to before the first entry has none."""
    return None if step < 0 and end < -(1 << 30) else end


RESHAPING: Mapping[str, Operator] = {
    "Concat": _concat,
    "Expand": _expand,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,  # type: ignore[dict-item]
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
