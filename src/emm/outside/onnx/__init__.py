"""ONNX models: scored by onnxruntime, and, where they are networks, cut into layers for torch.

The packages onnx and onnxruntime are imported only where a model is read or scored; the stored
layers of a network that was cut need neither.
"""

from emm.outside.onnx.cut import CutOnnx, cut
from emm.outside.onnx.model import OnnxModel
from emm.outside.onnx.network import OnnxLayers
from emm.outside.onnx.opened import OnnxScorer, open_model
from emm.outside.onnx.read import read_onnx

__all__ = ["CutOnnx", "OnnxLayers", "OnnxModel", "OnnxScorer", "cut", "open_model", "read_onnx"]
