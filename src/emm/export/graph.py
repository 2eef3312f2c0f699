"""A trained model as one ONNX graph: raw columns in, logits and probabilities out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from emm.data.tables.schema import Schema
from emm.export.columns import (
    ENCODED_DENSE,
    ENCODED_SPARSE,
    TREES,
    Signature,
    signature_of,
)
from emm.export.graph_encoder import Encoded, add_encoder
from emm.export.graph_members import add_scores
from emm.export.graph_network import Network, exported, output_names
from emm.export.graph_outputs import add_outputs
from emm.export.graph_trees import add_trees, logits_of, shares_of
from emm.export.members import Outside, require_exportable, sent_as
from emm.export.nodes import IR_VERSION, Nodes
from emm.export.stand_ins import corrections_of
from emm.export.subgraph import tensors_read
from emm.fusion.emm import EMM
from emm.predict.encoder import Encoder
from emm.training.store import inputs_of
from emm.trees.forest import TreeEnsemble
from emm.trees.gbdt import GradientBoosting


def build_model(
    model: nn.Module,
    tasks: Sequence[str],
    encoder: Encoder,
    *,
    given_click: bool = False,
    outside: Outside | None = None,
) -> Any:
    """The ModelProto of a trained model.

    Its inputs and outputs are those of `model_signature`. It trims, looks up and scales the raw
    columns as ``encoder`` does, and computes what ``model`` does for any number of rows. The
    encoded columns are tensors of their own (`emm.export.columns`), from which the part after the
    encoder can be taken.

    Args:
        model: in eval mode: dense [B, D], sparse [B, F] -> logits [B, O].
        tasks: those that it predicts, in the order of its logits.
        encoder: of the data on which it was trained.
        given_click: of a funnel whose conversions are known after a click only.
        outside: the members of a fused model that it can't compute itself.

    Raises ModelFileError if the model can't be exported, ParamsError if a package is missing.
    """
    outside = outside or {}
    require_exportable(model, outside)
    signature = model_signature(tasks, encoder, outside)
    nodes = Nodes()
    encoded = add_encoder(nodes, encoder, signature.inputs)
    logits = _add_logits(nodes, model, encoder.schema, encoded, outside)
    add_outputs(nodes, logits, encoder.schema, tasks, signature.outputs, given_click=given_click)
    return _proto(nodes, signature)


def model_signature(
    tasks: Sequence[str], encoder: Encoder, outside: Outside | None = None
) -> Signature:
    """The inputs and outputs of the exported model of ``tasks``; for ``outside`` see
    `build_model`."""
    funnel = encoder.schema.funnel if {*encoder.schema.funnel} <= {*tasks} else ()
    return signature_of(encoder, tasks, funnel, sent_as(outside or {}))


def _add_logits(
    nodes: Nodes, model: nn.Module, schema: Schema, encoded: Encoded, outside: Outside
) -> str:
    """Add a model on the encoded columns; the name of its logits [B, O] float32."""
    if isinstance(model, GradientBoosting):
        return nodes.cast(_boosted(nodes, model), "FLOAT", TREES)
    inputs = inputs_of(schema)
    network = Network(model, len(inputs.bags))
    given, widths = [*encoded.names], list[int]()
    scores = []
    if isinstance(model, EMM) and model.scored:
        # Before the trees, whose version may depend on the members' operators.
        scores = [add_scores(nodes, model, outside, encoded.raw, lambda: _features(nodes))]
    if isinstance(model, EMM) and network.shares:
        given.append(_shares(nodes, model))
        widths.append(_count_shares(model))
    given += scores
    widths += [sum(model.scored)] if isinstance(model, EMM) and scores else []
    names = [f"in_{number}" for number in range(len(given))]
    proto = exported(network, inputs, names, widths)
    outputs = {name: f"/{name}" for name in output_names(network)}
    nodes.insert(proto.graph, "network", dict(zip(names, given, strict=True)) | outputs)
    return _corrected(nodes, model, schema, [*outputs.values()])


def _corrected(nodes: Nodes, model: nn.Module, schema: Schema, outputs: Sequence[str]) -> str:
    """The logits [B, O] with what the trees of a stacked model add; ``outputs``: of the network."""
    logits, *reads = outputs
    corrections = corrections_of(model)
    if not corrections:
        return logits
    parts = nodes.split(logits, schema.outputs or [1] * len(schema.tasks))
    for (task, trees), read in zip(corrections.items(), reads, strict=True):
        features = nodes.concat([nodes.cast(each, "DOUBLE") for each in (read, ENCODED_SPARSE)])
        added = add_trees(nodes, features, [logits_of(trees, 0)], trees.outputs)
        parts[task] = nodes.add("Add", [parts[task], nodes.cast(added, "FLOAT")])
    return nodes.concat(parts)


def _features(nodes: Nodes) -> str:
    """What trees read: [B, D + F] double."""
    parts = [nodes.cast(name, "DOUBLE") for name in (ENCODED_DENSE, ENCODED_SPARSE)]
    return nodes.concat(parts)


def _boosted(nodes: Nodes, model: GradientBoosting) -> str:
    """The logits of one ensemble per task, [B, O] double."""
    ensembles = [each for each in model.ensembles if isinstance(each, TreeEnsemble)]
    starts = np.cumsum([0, *(each.outputs for each in ensembles)]).tolist()
    trees = [logits_of(each, start) for each, start in zip(ensembles, starts, strict=False)]
    return add_trees(nodes, _features(nodes), trees, starts[-1])


def _shares(nodes: Nodes, model: EMM) -> str:
    """The shares of the levels in the logits of a fused model's trees, [B, S*C] float32."""
    levels = model.trees.levels
    ensembles = [each for each in model.trees.members if isinstance(each, TreeEnsemble)]
    starts = np.cumsum([0, *(each.outputs * levels for each in ensembles)]).tolist()
    trees = [shares_of(each, levels, start) for each, start in zip(ensembles, starts, strict=False)]
    return nodes.cast(add_trees(nodes, _features(nodes), trees, starts[-1]), "FLOAT", TREES)


def _count_shares(model: EMM) -> int:
    ensembles = (each for each in model.trees.members if isinstance(each, TreeEnsemble))
    return sum(each.outputs for each in ensembles) * model.trees.levels


def _proto(nodes: Nodes, signature: Signature) -> Any:
    helper, types = nodes.onnx.helper, nodes.onnx.TensorProto
    inputs = [
        helper.make_tensor_value_info(
            each.name,
            types.STRING if each.type == "text" else types.DOUBLE,
            ["batch", f"{each.name}_items" if each.items else 1],
        )
        for each in signature.inputs
    ]
    outputs = [
        helper.make_tensor_value_info(
            each.name,
            types.FLOAT if each.type == "float32" else types.DOUBLE,
            ["batch", each.width],
        )
        for each in signature.outputs
    ]
    graph = helper.make_graph(nodes.nodes, "emm", inputs, outputs, value_info=nodes.known_types)
    opsets = [helper.make_opsetid(domain, version) for domain, version in nodes.versions.items()]
    proto = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="emm"
    )
    read = {name for node in nodes.nodes for name in tensors_read(node)}
    for tensor in nodes.constants:
        if tensor.name in read:
            # One by one: protobuf can't copy a list of more than 2 GiB.
            proto.graph.initializer.add().CopyFrom(tensor)
    return proto
