"""An exported model as files, and as a session of onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emm.core.errors import ModelFileError
from emm.core.onnx_packages import onnx_library, onnxruntime_library
from emm.export.signature import MODEL

DATA = f"{MODEL}.data"

LARGEST = 2**31 - 2**20
"""Bytes up to which a model is one file: protobuf refuses files of 2 GiB."""
_APART = 1024  # bytes of a tensor from which on it is stored in the file of large ones


def write_model(model: Any, folder: Path, largest: int = LARGEST) -> tuple[str, ...]:
    """Write a ModelProto to ``folder``; returns the names of the files.

    The tensors of a model of more than ``largest`` bytes are in a file of their own.
    """
    onnx = onnx_library()
    if _size(model) <= largest:
        (folder / MODEL).write_bytes(model.SerializeToString(deterministic=True))
        return (MODEL,)
    onnx.save_model(
        model,
        str(folder / MODEL),
        save_as_external_data=True,
        location=DATA,
        size_threshold=_APART,
    )
    return (MODEL, DATA)


def _size(model: Any) -> int:
    """Bytes of a model; protobuf itself can't tell those of one that is too large."""
    graph = model.graph
    constants = sum(len(each.raw_data) or each.ByteSize() for each in graph.initializer)
    return int(constants + sum(node.ByteSize() for node in graph.node))


def session(path: Path, outputs: Sequence[str] = (), threads: int = 1) -> Any:
    """The session of onnxruntime of an exported model; ``outputs``: further tensors that it gives.

    Raises ModelFileError if onnxruntime can't load it.
    """
    runtime, onnx = onnxruntime_library(), onnx_library()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not outputs:
        return _load(runtime, path, options)
    model = onnx.load(str(path), load_external_data=False)
    for name in outputs:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    # Next to the file, which names the file of its large tensors without a folder.
    changed = path.with_name(f".{path.name}.verified")
    try:
        changed.write_bytes(model.SerializeToString())
        return _load(runtime, changed, options)
    finally:
        changed.unlink(missing_ok=True)


def _load(runtime: Any, path: Path, options: Any) -> Any:
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a kind of its own for each cause
        raise ModelFileError(
            f"onnxruntime can't load {path}",
            where=path,
            got=str(error).strip().partition("\n")[0][:300],
            next_step="pip install -U onnxruntime, and export the model again",
        ) from error
