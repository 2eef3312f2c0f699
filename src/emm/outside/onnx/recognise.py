"""Which layer of torch a stretch of operators is, by what it computes."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from emm.outside.onnx.written import Written, join

RESHAPED = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
"""Operators that keep the order of a row's numbers."""

_GRID = 8.0
_CLOSE = 1e-5
_ROWS = 64

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "Identity": nn.Identity,
    "ReLU": nn.ReLU,
    "GELU": nn.GELU,
    "GELU by tanh": lambda: nn.GELU(approximate="tanh"),
    "SiLU": nn.SiLU,
    "Mish": nn.Mish,
    "Softplus": nn.Softplus,
    "Sigmoid": nn.Sigmoid,
    "LogSigmoid": nn.LogSigmoid,
    "Tanh": nn.Tanh,
    "SELU": nn.SELU,
    "ELU": nn.ELU,
    "LeakyReLU": nn.LeakyReLU,
    "LeakyReLU of Keras": lambda: nn.LeakyReLU(0.2),
    "ReLU6": nn.ReLU6,
    "Hardswish": nn.Hardswish,
    "Hardsigmoid": nn.Hardsigmoid,
    "Hardtanh": nn.Hardtanh,
    "Softsign": nn.Softsign,
}
"""Activations without weights, each with the name of its setting."""


def activation(layer: Written) -> nn.Module | None:
    """The activation that ``layer`` is, None for any other."""
    if not layer.is_plain:
        return None
    step = layer.only
    if step is not None and step.op == "LeakyRelu":
        return nn.LeakyReLU(short(step.attributes.get("alpha", 0.01)))
    if step is not None and step.op == "Elu":
        return nn.ELU(short(step.attributes.get("alpha", 1.0)))
    grid = torch.linspace(-_GRID, _GRID, _ROWS * layer.width).reshape(layer.width, _ROWS).T
    found = _output(layer, grid)
    if found is None:
        return None
    for build in ACTIVATIONS.values():
        module = build()
        if torch.allclose(found, module(grid), rtol=_CLOSE, atol=_CLOSE):
            return module
    return None


def layer_norm(layer: Written) -> nn.LayerNorm | None:
    """The layer norm without weights that ``layer`` is, None for any other."""
    if layer.tensors or layer.description.shape != layer.output or "ReduceMean" not in layer.ops:
        return None
    size = layer.output[-1]
    # The smaller the numbers, the more the epsilon counts.
    rows = torch.randn(_ROWS, layer.width, generator=torch.Generator().manual_seed(0)) * 1e-2
    found = _output(layer, rows)
    if found is None:
        return None
    for epsilon in dict.fromkeys(_small(layer)):
        norm = nn.LayerNorm(size, eps=epsilon, elementwise_affine=False)
        expected = norm(rows.reshape(-1, size)).reshape(rows.shape)
        if torch.allclose(found, expected, rtol=1e-3, atol=1e-4):
            return norm
    return None


def merge(layers: Sequence[Written]) -> list[Written]:
    """Join neighbours that are one layer of torch: a product and its bias, an activation or a layer
    norm in several steps. What only reshapes is left out: layers read and give vectors."""
    layers = [each for each in layers if not RESHAPED.issuperset(each.ops)]
    found: list[Written] = []
    place = 0
    while place < len(layers):
        length = _length(layers[place:])
        found.append(join(layers[place : place + length]))
        place += length
    return found


def _length(layers: Sequence[Written]) -> int:
    """How many of the first layers make one."""
    if len(layers) > 1 and _is_product(layers[0]) and _is_bias(layers[1]):
        return 2
    if "ReduceMean" in layers[0].ops and len(layers) > 1 and layer_norm(join(layers[:2])):
        return 2
    plain = next((n for n, each in enumerate(layers) if not each.is_plain), len(layers))
    for length in range(min(plain, 12), 1, -1):
        if activation(join(layers[:length])) is not None:
            return length
    return 1


def _is_product(layer: Written) -> bool:
    """Whether ``layer`` is a matrix product without a bias."""
    step = layer.only
    if step is None or step.op not in ("MatMul", "Gemm") or len(layer.tensors) != 1:
        return False
    return step.inputs[0] == "x" and next(iter(layer.tensors.values())).dim() == 2


def _is_bias(layer: Written) -> bool:
    """Whether ``layer`` adds one number to each feature, the same in each row of a matrix."""
    step = layer.only
    if step is None or step.op != "Add":
        return False
    size = layer.output[-1]
    if layer.tensors:
        (bias,) = layer.tensors.values()
        return bias.numel() == size == bias.shape[-1]
    constants = [x for x in step.inputs if isinstance(x, Mapping)]
    return size == 1 and len(constants) == 1


def _small(layer: Written) -> list[float]:
    """Constants of the layer that may be an epsilon."""
    constants = [x for step in layer.description.steps for x in step.inputs]
    numbers = [x["values"][0] for x in constants if isinstance(x, Mapping) and x.get("values")]
    return [short(number) for number in numbers if 0 < number <= 1e-2]


def _output(layer: Written, rows: Tensor) -> Tensor | None:
    try:
        return layer(rows)
    except (TypeError, RuntimeError, IndexError):
        return None


def short(number: float) -> float:
    """A number that was kept in single precision, as it was meant: 1e-05."""
    return float(f"{number:.7g}")
