"""Values of tensors in a graph that is being built."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime

from emm.export.nodes import IR_VERSION, Nodes


def compute(nodes: Nodes, given: Mapping[str, np.ndarray], output: str) -> np.ndarray:
    """The tensor ``output`` for inputs of text or doubles [B, columns], with one thread."""
    helper, types = onnx.helper, onnx.TensorProto
    inputs = [
        helper.make_tensor_value_info(
            name, types.STRING if each.dtype == object else types.DOUBLE, ["batch", each.shape[1]]
        )
        for name, each in given.items()
    ]
    wanted = [helper.make_empty_tensor_value_info(output)]
    graph = helper.make_graph(nodes.nodes, "part", inputs, wanted, nodes.constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in nodes.versions.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, dict(given))
    return np.asarray(found)
