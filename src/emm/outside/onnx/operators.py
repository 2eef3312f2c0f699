"""The closed list of ONNX operators that a network can be cut and interpreted with."""

from collections.abc import Mapping

from emm.outside.onnx.algebra import ALGEBRA
from emm.outside.onnx.elementwise import ELEMENTWISE, Operator
from emm.outside.onnx.reshaping import RESHAPING

OPERATORS: Mapping[str, Operator] = {**ELEMENTWISE, **ALGEBRA, **RESHAPING}

MIXING = frozenset({"MatMul", "Gemm", "Einsum"})
"""Those that mix features: a layer with one of them is linear-like."""

RECURRENT = frozenset({"LSTM", "GRU", "RNN", "Loop", "Scan", "If"})
"""Those that no part of a network may have that is cut, not even its front."""

RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli"}
    | {"Multinomial"}
)
"""Those whose values differ from run to run."""
