"""ONNX operators that mix features or work on whole vectors, in torch."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from emm.outside.onnx.elementwise import Attributes, Operator
from emm.outside.onnx.values import Constant, Value, as_tensor, ints, tensors


def _matmul(inputs: Sequence[Value], _: Attributes) -> Tensor:
    left, right = tensors(*inputs)
    return torch.matmul(left, right)


def _gemm(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    """alpha A B + beta C, with A or B transposed."""
    left, right = tensors(*inputs[:2])
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    product = left @ right if alpha == 1 else alpha * (left @ right)
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is None:
        return product
    added = as_tensor(bias, product)
    return product + (added if beta == 1 else beta * added)


def _einsum(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    return torch.einsum(attributes["equation"], *tensors(*inputs))


def _batch_norm(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x, scale, bias, mean, variance = tensors(*inputs)
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, epsilon)


def _layer_norm(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x = tensors(inputs[0])[0]
    scale, bias = [*inputs[1:], None, None][:2]
    shape = x.shape[attributes.get("axis", -1) :]
    y = functional.layer_norm(x, shape, eps=attributes.get("epsilon", 1e-5))
    y = y if scale is None else y * as_tensor(scale, x)
    return y if bias is None else y + as_tensor(bias, x)


def _rms_norm(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x, scale = tensors(*inputs)
    shape = x.shape[attributes.get("axis", -1) :]
    return functional.rms_norm(x, shape, eps=attributes.get("epsilon", 1e-5)) * scale


def _softmax(function: Callable[..., Tensor]) -> Operator:
    """Its axis is always given: versions of ONNX have different defaults."""
    return lambda inputs, attributes: function(*tensors(inputs[0]), dim=attributes["axis"])


def _reduction(function: Callable[..., Tensor]) -> Operator:
    """Over the axes of the second input, or of the attribute; over all without any."""

    def operator(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
        x = tensors(inputs[0])[0]
        given = inputs[1] if len(inputs) > 1 else None
        axes = list(attributes.get("axes") or ()) if given is None else ints(given)
        if not axes and attributes.get("noop_with_empty_axes", 0):
            return x
        axes = axes or list(range(x.dim()))
        result: Tensor = function(x, dim=axes, keepdim=bool(attributes.get("keepdims", 1)))
        return result

    return operator


def _sum_of_squares(x: Tensor, dim: Sequence[int], keepdim: bool) -> Tensor:
    return torch.sum(x * x, dim=tuple(dim), keepdim=keepdim)


def _euclidean(x: Tensor, dim: Sequence[int], keepdim: bool) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, dim=tuple(dim), keepdim=keepdim)
    return norm


def _gather(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    """Entries of one axis; negative indices count from its end."""
    x, index = inputs
    table = as_tensor(x, index if isinstance(index, Tensor) else torch.zeros(()))
    axis = attributes.get("axis", 0) % table.dim()
    size = int(table.shape[axis])
    if isinstance(index, Constant):
        index = Constant(tuple(int(i) % size for i in index.values), index.shape, index.dtype)
    chosen = as_tensor(index, table).to(torch.int64)
    chosen = torch.where(chosen < 0, chosen + size, chosen)
    taken = table.index_select(axis, chosen.reshape(-1))
    shape = [*table.shape[:axis], *chosen.shape, *table.shape[axis + 1 :]]
    return taken.reshape(shape)


ALGEBRA: Mapping[str, Operator] = {
    "BatchNormalization": _batch_norm,
    "Einsum": _einsum,
    "Gather": _gather,
    "Gemm": _gemm,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _softmax(torch.log_softmax),
    "MatMul": _matmul,
    "RMSNormalization": _rms_norm,
    "ReduceL2": _reduction(_euclidean),
    "ReduceLogSumExp": _reduction(torch.logsumexp),
    "ReduceMax": _reduction(torch.amax),
    "ReduceMean": _reduction(torch.mean),
    "ReduceMin": _reduction(torch.amin),
    "ReduceSum": _reduction(torch.sum),
    "ReduceSumSquare": _reduction(_sum_of_squares),
    "Softmax": _softmax(torch.softmax),
}
