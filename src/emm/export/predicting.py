"""An exported model predicts raw rows: the Polars encoder, then its graph after the encoder.

One schema, two ways to encode, equal bits: for many rows, look-ups in Polars are cheaper than those
in the graph.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.core.errors import ModelFileError
from emm.core.onnx_packages import onnx_library, onnxruntime_library
from emm.data.tables.kinds import NUMBER, TEXT, RawKind
from emm.data.tables.schema import Schema
from emm.export.columns import (
    ENCODED_DENSE,
    ENCODED_SPARSE,
    GraphInput,
    bag_tensors,
)
from emm.export.feed import feed
from emm.export.signature import MODEL, BundleSignature, read_signature
from emm.predict.encoder import Encoder, open_encoder
from emm.predict.model import Logits

ROWS = 2048
"""Rows of which the graph computes at a time: its intermediate tensors fit into the caches."""

_DATA_FOLDER = "session.model_external_initializers_file_folder_path"


@dataclass(frozen=True)
class BundleModel:
    """An exported model.

    Attributes:
        session: of onnxruntime: encoded columns -> logits.
        outputs: names of the logits of each task, in order.
        inputs: the raw columns that members from outside read.
        threads: parts of the rows that are computed at the same time.
    """

    encoder: Encoder
    session: Any
    outputs: tuple[str, ...]
    inputs: tuple[GraphInput, ...]
    threads: int = 1

    @property
    def raw(self) -> dict[str, RawKind]:
        """The raw columns that are read besides the features."""
        return {each.column: TEXT if each.type == "text" else NUMBER for each in self.inputs}

    def logits(self, encoded: pl.DataFrame, raw: pl.DataFrame) -> Logits:
        """See `emm.predict.model.RowModel`."""
        parts = [slice(at, at + ROWS) for at in range(0, max(len(encoded), 1), ROWS)]
        with ThreadPoolExecutor(self.threads) as pool:
            found = pool.map(lambda part: self._part(encoded[part], raw[part]), parts)
            return np.concatenate([*found]).astype(np.float32)

    def _part(self, encoded: pl.DataFrame, raw: pl.DataFrame) -> np.ndarray:
        given = self._tensors(encoded) | feed(raw, self.inputs)
        read = {each.name: given[each.name] for each in self.session.get_inputs()}
        return np.concatenate(self.session.run([*self.outputs], read), axis=1)

    def _tensors(self, encoded: pl.DataFrame) -> dict[str, np.ndarray]:
        schema = self.encoder.schema
        dense = _matrix(encoded, schema.dense_names, np.float32)
        sparse = _matrix(encoded, schema.sparse_names, np.int32)
        bags = zip(bag_tensors(schema), self.encoder.bags, strict=True)
        return {
            ENCODED_DENSE: dense,
            ENCODED_SPARSE: sparse,
            **{name: _padded(encoded[bag]) for name, bag in bags},
        }


def open_bundle(folder: Path, threads: int | None = None) -> BundleModel:
    """Open an exported folder, whose files are compared with their hashes.

    ``threads``: by default as many as this process has processors; the result is the same with any
    number of them. Raises ModelFileError for a folder that was altered
    and ParamsError if a package is missing.
    """
    onnxruntime_library()
    signature = read_signature(folder)
    encoder = open_encoder(folder)
    outputs = tuple(_logit(signature, task, folder) for task in encoder.schema.tasks)
    model = onnx_library().load(str(folder / MODEL), load_external_data=False)
    part = after_encoder(model, encoder.schema, outputs)
    reached = {each.name for each in part.graph.input}
    inputs = tuple(
        GraphInput(each.name, each.column, each.role, each.type, each.missing)
        for each in signature.inputs
        if each.name in reached
    )
    return BundleModel(
        encoder, _session(part, folder), outputs, inputs, threads or len(os.sched_getaffinity(0))
    )


def after_encoder(model: Any, schema: Schema, outputs: Sequence[str]) -> Any:
    """The part of an exported graph between the encoded columns and some of its ``outputs``.

    Its inputs are those of the encoded columns that are read, and the raw columns that are read
    other than through them.
    """
    onnx = onnx_library()
    encoded = _encoded_inputs(onnx, schema)
    nodes, reached = _nodes_before(model.graph, outputs, {*encoded})
    inputs = [info for name, info in encoded.items() if name in reached]
    inputs += [each for each in model.graph.input if each.name in reached]
    graph = onnx.helper.make_graph(
        nodes,
        model.graph.name,
        inputs,
        [each for each in model.graph.output if each.name in {*outputs}],
        [each for each in model.graph.initializer if each.name in reached],
    )
    graph.sparse_initializer.extend(
        each for each in model.graph.sparse_initializer if each.values.name in reached
    )
    return onnx.helper.make_model(
        graph,
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
        functions=model.functions,
    )


def _encoded_inputs(onnx: Any, schema: Schema) -> dict[str, Any]:
    """The encoded columns as inputs of a graph."""
    types, make = onnx.TensorProto, onnx.helper.make_tensor_value_info
    bags = {
        name: make(name, types.INT32, ["batch", f"{name}_items"]) for name in bag_tensors(schema)
    }
    return {
        ENCODED_DENSE: make(ENCODED_DENSE, types.FLOAT, ["batch", len(schema.dense)]),
        ENCODED_SPARSE: make(ENCODED_SPARSE, types.INT32, ["batch", len(schema.sparse)]),
        **bags,
    }


def _nodes_before(graph: Any, outputs: Sequence[str], stop: set[str]) -> tuple[list[Any], set[str]]:
    """The nodes that compute ``outputs`` from the tensors ``stop``, in order, and every tensor that
    is read."""
    wanted, found = {*outputs}, list[Any]()
    for node in reversed(graph.node):
        if any(name in wanted and name not in stop for name in node.output):
            found.append(node)
            wanted.update(_reads(node))
    return found[::-1], wanted


def _reads(node: Any) -> Iterator[str]:
    """The tensors that a node reads, also within the graphs of loops and branches."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
            for inner in graph.node:
                yield from _reads(inner)
            yield from (output.name for output in graph.output)


def _logit(signature: BundleSignature, task: str, folder: Path) -> str:
    """The name of the output with the logits of a task."""
    for each in signature.outputs:
        if each.gives == "logit" and each.tasks == (task,):
            return each.name
    raise ModelFileError(
        f"the exported model gives no logits of the task {task!r}",
        where=folder,
        next_step="export it again: emm export",
    )


def _session(model: Any, folder: Path) -> Any:
    runtime = onnxruntime_library()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry(_DATA_FOLDER, str(folder.resolve()))
    try:
        return runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a kind of its own for each cause
        raise ModelFileError(
            f"onnxruntime can't load the part of {folder / MODEL} after its encoder",
            where=folder,
            got=str(error).strip().partition("\n")[0][:300],
            next_step="pip install -U onnxruntime, and export the model again",
        ) from error


def _matrix(rows: pl.DataFrame, names: Sequence[str], kind: type[np.generic]) -> np.ndarray:
    found = np.empty((len(rows), len(names)), kind)
    for place, name in enumerate(names):
        found[:, place] = rows[name].to_numpy()
    return found


def _padded(lists: pl.Series) -> np.ndarray:
    """Lists of ids as a matrix [N, items], with 0 after the last id of a row."""
    lengths = lists.list.len().to_numpy().astype(np.int64)
    found = np.zeros((len(lists), max(int(lengths.max(initial=0)), 1)), np.int32)
    rows = np.repeat(np.arange(len(lists)), lengths)
    places = np.arange(len(rows)) - np.repeat(lengths.cumsum() - lengths, lengths)
    found[rows, places] = lists.explode(empty_as_null=False, keep_nulls=False).to_numpy()
    return found
