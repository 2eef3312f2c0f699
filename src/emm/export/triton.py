"""config.pbtxt: how Triton Inference Server runs an exported model by its onnxruntime backend."""

from emm.export.signature import BundleSignature, InputTensor, OutputTensor

CONFIG, VERSION = "config.pbtxt", "1"
"""Triton's file, and the folder next to it in which it looks for model.onnx."""

MAX_BATCH = 4096
_TYPES = {
    "text": "TYPE_STRING",
    "double": "TYPE_FP64",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
}


def triton_config(signature: BundleSignature) -> str:
    """The configuration in the text format of protocol buffers.

    It has no name, so that the model has that of its folder. The first dimension is the batch,
    which Triton's dims leave out; -1 is any number of items.
    """
    lines = [
        'backend: "onnxruntime"',
        f"max_batch_size: {MAX_BATCH}",
        *(_tensor("input", each, -1 if each.role == "bag" else 1) for each in signature.inputs),
        *(_tensor("output", each, each.width) for each in signature.outputs),
        "dynamic_batching { }",
    ]
    return "\n".join(lines) + "\n"


def _tensor(kind: str, tensor: InputTensor | OutputTensor, width: int) -> str:
    return (
        f'{kind} [\n  {{\n    name: "{tensor.name}"\n    data_type: {_TYPES[tensor.type]}\n'
        f"    dims: [ {width} ]\n  }}\n]"
    )
