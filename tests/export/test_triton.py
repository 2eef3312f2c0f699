"""config.pbtxt, parsed as Triton does, by a part of its model_config.proto."""

from pathlib import Path
from typing import Any

import pytest

from emm.export.signature import read_signature

pytest.importorskip("google.protobuf")

LABELS = {"optional": 1, "repeated": 3}
TYPES = {"string": 9, "int32": 5, "int64": 3, "message": 11, "enum": 14}
DATA_TYPES = {"TYPE_FP32": 11, "TYPE_FP64": 12, "TYPE_STRING": 13}
# Fields with the numbers of model_config.proto of triton-inference-server/common.
TENSOR = [
    ("name", 1, "optional", "string", ""),
    ("data_type", 2, "optional", "enum", ".inference.DataType"),
    ("dims", None, "repeated", "int64", ""),
]
CONFIG = [
    ("name", 1, "optional", "string", ""),
    ("backend", 17, "optional", "string", ""),
    ("max_batch_size", 4, "optional", "int32", ""),
    ("input", 5, "repeated", "message", ".inference.ModelInput"),
    ("output", 6, "repeated", "message", ".inference.ModelOutput"),
    ("dynamic_batching", 11, "optional", "message", ".inference.ModelDynamicBatching"),
]


def model_config() -> Any:
    """An empty ModelConfig."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="part.proto", package="inference")
    file.syntax = "proto3"
    kinds = file.enum_type.add(name="DataType")
    kinds.value.add(name="TYPE_INVALID", number=0)
    for name, number in DATA_TYPES.items():
        kinds.value.add(name=name, number=number)
    dims = {"ModelInput": 4, "ModelOutput": 3}
    messages = {"ModelDynamicBatching": [], **dict.fromkeys(dims, TENSOR), "ModelConfig": CONFIG}
    for message, fields in messages.items():
        made = file.message_type.add(name=message)
        for name, number, label, kind, type_name in fields:
            made.field.add(
                name=name,
                number=number or dims[message],
                label=LABELS[label],
                type=TYPES[kind],
                type_name=type_name or None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("inference.ModelConfig")
    return message_factory.GetMessageClass(found)()


def test_triton_can_read_it_and_finds_every_tensor_of_the_model(bundle: Path) -> None:
    import onnx
    from google.protobuf import text_format

    parsed = text_format.Parse((bundle / "config.pbtxt").read_text(), model_config())
    graph = onnx.load(bundle / "1/model.onnx", load_external_data=False).graph
    names = {number: name for name, number in DATA_TYPES.items()}
    types = {1: "TYPE_FP32", 11: "TYPE_FP64", 8: "TYPE_STRING"}  # those of ONNX
    for tensors, values in ((parsed.input, graph.input), (parsed.output, graph.output)):
        found = {each.name: (names[each.data_type], [*each.dims]) for each in tensors}
        expected = {}
        for value in values:
            shape = value.type.tensor_type.shape.dim
            assert shape[0].dim_param  # the batch, which dims leave out
            dims = [dim.dim_value or -1 for dim in shape[1:]]
            expected[value.name] = (types[value.type.tensor_type.elem_type], dims)
        assert found == expected
    assert parsed.backend == "onnxruntime"
    assert parsed.max_batch_size > 1


def test_a_multi_valued_column_has_any_number_of_items(bundle: Path) -> None:
    from google.protobuf import text_format

    parsed = text_format.Parse((bundle / "config.pbtxt").read_text(), model_config())
    bags = {each.name for each in read_signature(bundle).inputs if each.role == "bag"}
    assert {each.name for each in parsed.input if [*each.dims] == [-1]} == bags == {"genres"}
