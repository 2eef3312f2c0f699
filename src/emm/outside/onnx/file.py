"""Reading an ONNX file: sizes are bounded, and nothing outside its folder is opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emm.core.errors import ModelFileError
from emm.core.onnx_packages import inline_functions, onnx_library

MAX_BYTES = 1 << 30  # of the file with its external data
MAX_NODES = 20_000
MAX_OUTPUT = 1 << 20  # of values per row

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Domains whose operators onnxruntime has itself: no library of custom operators is loaded."""

EXPORT = "export it again as a single ONNX file"


def load_graph(path: Path) -> Any:
    """The ModelProto of ``path`` with all of its tensors inside. Raises ModelFileError."""
    onnx = onnx_library()
    size = _size(path)
    if size > MAX_BYTES:
        raise _refused(path, "is too large", f"{size:,} bytes", f"at most {MAX_BYTES:,} bytes")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise _refused(path, "can't be read", error.strerror) from error
    except Exception as error:  # protobuf has its own errors for each of its backends
        raise _refused(path, "isn't an ONNX model", str(error)[:200]) from error
    if not model.HasField("graph") or not model.graph.node:
        raise _refused(path, "holds no network", "an empty graph", "an ONNX model")
    _require_tensors_beside(path, model, size)
    _load_tensors(path, model, onnx)
    if model.functions:
        model = _inlined(path, model)
    _require_known(path, model)
    return model


def nodes_of(graph: Any) -> Iterator[Any]:
    """The nodes of a GraphProto, those of its inner graphs included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else []
            for each in [*inner, *attribute.graphs]:
                yield from nodes_of(each)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _refused(path, "can't be read", error.strerror, next_step="check the path") from error


def _require_tensors_beside(path: Path, model: Any, size: int) -> None:
    """Refuse tensors that are stored anywhere but in files of the model's own folder."""
    folder = path.resolve().parent
    files = set()
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            target = (folder / entry.value).resolve()
            if Path(entry.value).is_absolute() or not target.is_relative_to(folder):
                raise _refused(
                    path,
                    "names a file outside its folder as the place of its weights",
                    entry.value,
                    f"a file in {folder}",
                )
            files.add(target)
    total = size + sum(_size(each) for each in files)
    if total > MAX_BYTES:
        raise _refused(path, "is too large", f"{total:,} bytes", f"at most {MAX_BYTES:,} bytes")


def _tensors(model: Any) -> Iterator[Any]:
    graphs = [model.graph]
    for node in [*nodes_of(model.graph), *(node for f in model.functions for node in f.node)]:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)


def _load_tensors(path: Path, model: Any, onnx: Any) -> None:
    try:
        onnx.load_external_data_for_model(model, str(path.resolve().parent))
    except Exception as error:  # of the library's own kinds, by version
        raise _refused(path, "lacks a part of its weights", str(error)[:200]) from error


def _inlined(path: Path, model: Any) -> Any:
    try:
        return inline_functions(model)
    except Exception as error:  # of the library's own kinds, by version
        raise _refused(path, "has functions that can't be expanded", str(error)[:200]) from error


def _require_known(path: Path, model: Any) -> None:
    """Refuse operators that onnxruntime lacks, and more nodes than a model has."""
    count = 0
    for count, node in enumerate(nodes_of(model.graph), start=1):
        if node.domain not in DOMAINS:
            raise _refused(
                path,
                f"has the operator {node.op_type} of the domain {node.domain!r}, which would need "
                "a library of custom operators",
                f"{node.domain}.{node.op_type}",
                "operators of ai.onnx and ai.onnx.ml",
                "export it with standard operators only",
            )
        if count > MAX_NODES:
            raise _refused(path, "has too many operators", f"more than {MAX_NODES:,}")


def _refused(
    path: Path, what: str, got: object, expected: str | None = None, next_step: str = EXPORT
) -> ModelFileError:
    return ModelFileError(
        f"{path} {what}", where=path, got=got, expected=expected, next_step=next_step
    )
