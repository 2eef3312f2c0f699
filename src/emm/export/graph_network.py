"""The network of a model as operators of ONNX, by torch.onnx."""

import logging
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from emm.core.errors import ModelFileError, ParamsError
from emm.export.nodes import OPSET
from emm.export.stand_ins import put_padded_bags, put_readers
from emm.fusion.emm import EMM
from emm.nn.inputs import Inputs

ROWS = 3  # of the example with which the network is traced; any number but 0 and 1


class Network(nn.Module):
    """A model as it is exported: dense [B, D], sparse [B, F], and others -> logits [B, O].

    The others are the ids of each multi-valued field [B, items], then, of a fused model, the
    shares of the levels in the logits of its trees [B, S*C] and its scored columns [B, P], if it
    has any.

    The logits of a stacked model lack what its trees add. They are followed by what these read
    besides the sparse columns, [B, D + Q] for each of ``corrected``: the tasks that have some.
    """

    def __init__(self, model: nn.Module, bags: int) -> None:
        super().__init__()
        self.model, self.items = deepcopy(model).cpu().eval(), list[Tensor]()
        put_padded_bags(self.model, self.items)
        self.reads = list[Tensor]()
        self.corrected = put_readers(self.model, self.reads)
        self.bags = bags
        self.shares = isinstance(model, EMM) and bool(len(model.trees.members))

    def forward(self, dense: Tensor, sparse: Tensor, others: Sequence[Tensor]) -> list[Tensor]:
        self.items[:] = others[: self.bags]
        self.reads.clear()
        if self.bags:
            # What a `BagEmbedding` reads comes by `items`; this column stands for the owners.
            sparse = torch.cat([sparse, sparse.new_zeros(sparse.shape[0], 1)], dim=1)
        rest = others[self.bags :]
        if self.shares:
            shares, *scored = rest
            rest = [torch.cat([shares, *_whole(dense, sparse, self.model), *scored], dim=1)]
        logits: Tensor = self.model(dense, sparse, *rest)
        return [logits, *self.reads]


def output_names(network: Network) -> list[str]:
    """The names of the outputs: logits, and what the trees of each corrected task read."""
    return ["logits", *(f"read_{task}" for task in network.corrected)]


def _whole(dense: Tensor, sparse: Tensor, model: Any) -> tuple[Tensor, Tensor]:
    """The shares of the levels in the logits of whole networks [B, S*C], and no offsets."""
    shares: Tensor = model.whole(dense, sparse)
    return shares.flatten(1), dense.new_zeros(dense.shape[0], model.offsets)


def exported(network: Network, inputs: Inputs, names: Sequence[str], widths: Sequence[int]) -> Any:
    """The ModelProto of a network with the outputs `output_names`.

    ``names``: of all inputs; ``widths``: of the scored and shared ones, the last of them.
    Raises ModelFileError if the network can't be exported for any number of rows.
    """
    rows, shapes = _example(inputs, widths)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network.eval(),
                rows,
                dynamo=True,
                input_names=[*names],
                output_names=output_names(network),
                opset_version=OPSET,
                dynamic_shapes=shapes,
                verbose=False,
            )
    except ImportError as error:
        raise ParamsError(
            "the export of networks needs the package onnxscript, which isn't installed",
            got=str(error),
            expected="the extra `export` of this project",
            next_step='pip install -e ".[export]"',
        ) from error
    except Exception as error:  # torch.onnx has several of its own, for each step
        raise ModelFileError(
            "the network can't be exported",
            got=str(error).strip()[:1500],
            next_step="a network by factory has to be one that torch.onnx.export can export for "
            "any number of rows",
        ) from error
    assert program is not None
    proto = program.model_proto
    _require_free_batch(proto)
    return proto


def _example(inputs: Inputs, widths: Sequence[int]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Rows with which a network is traced, and which of their dimensions vary."""
    dense = torch.zeros(ROWS, inputs.dense)
    sparse = torch.zeros(ROWS, len(inputs.cardinalities), dtype=torch.int32)
    items = [torch.zeros(ROWS, 2 + k, dtype=torch.int32) for k in range(len(inputs.bags))]
    others = [*items, *(torch.zeros(ROWS, width) for width in widths)]
    batch = torch.export.Dim("batch")
    shapes = [{0: batch, 1: torch.export.Dim.DYNAMIC} for _ in items]
    shapes += [{0: batch} for _ in widths]
    return (dense, sparse, others), ({0: batch}, {0: batch}, shapes)


def _require_free_batch(proto: Any) -> None:
    """Raise ModelFileError if the graph only holds for the number of rows of the example."""
    for value in [*proto.graph.input, *proto.graph.output]:
        rows = value.type.tensor_type.shape.dim[0]
        if not rows.dim_param:
            raise ModelFileError(
                f"the exported network only takes {rows.dim_value} rows at a time",
                where=value.name,
                expected="any number of rows",
                next_step="replace what fixes the number of rows, such as len(x), by x.shape[0]",
            )


@contextmanager
def _quiet() -> Any:
    """Without the remarks of torch.onnx about its own code."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
