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
from emm.fusion.emm import EMM
from emm.nn.bags import BagEmbedding
from emm.nn.inputs import Inputs

ROWS = 3  # of the example with which the network is traced; any number but 0 and 1


class Network(nn.Module):
    """A model as it is exported: dense [B, D], sparse [B, F], and others -> logits [B, O].

    The others are the ids of each multi-valued field [B, items], then, of a fused model, the
    shares of the levels in the logits of its trees [B, S*C] and its scored columns [B, P], if it
    has any.
    """

    def __init__(self, model: nn.Module, bags: int) -> None:
        super().__init__()
        self.model, self.items = _with_padded_bags(model)
        self.bags = bags
        self.shares = isinstance(model, EMM) and bool(len(model.trees.members))

    def forward(self, dense: Tensor, sparse: Tensor, others: Sequence[Tensor]) -> Tensor:
        self.items[:] = others[: self.bags]
        if self.bags:
            # What a `BagEmbedding` reads comes by `items`; this column stands for the owners.
            sparse = torch.cat([sparse, sparse.new_zeros(sparse.shape[0], 1)], dim=1)
        rest = others[self.bags :]
        if self.shares:
            shares, *scored = rest
            rest = [torch.cat([shares, _no_offsets(dense, self.model), *scored], dim=1)]
        logits: Tensor = self.model(dense, sparse, *rest)
        return logits


def _no_offsets(dense: Tensor, model: Any) -> Tensor:
    return dense.new_zeros(dense.shape[0], model.offsets)


def exported(network: Network, inputs: Inputs, names: Sequence[str], widths: Sequence[int]) -> Any:
    """The ModelProto of a network whose output is ``logits``.

    ``names``: of all inputs; ``widths``: of the scored and shared ones, the last of them.
    Raises ModelFileError if the network can't be exported for any number of rows.
    """
    dense = torch.zeros(ROWS, inputs.dense)
    sparse = torch.zeros(ROWS, len(inputs.cardinalities), dtype=torch.int32)
    items = [torch.zeros(ROWS, 2 + k, dtype=torch.int32) for k in range(len(inputs.bags))]
    others = [*items, *(torch.zeros(ROWS, width) for width in widths)]
    batch = torch.export.Dim("batch")
    shapes = [{0: batch, 1: torch.export.Dim.DYNAMIC} for _ in items]
    shapes += [{0: batch} for _ in widths]
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network.eval(),
                (dense, sparse, others),
                dynamo=True,
                input_names=[*names],
                output_names=["logits"],
                opset_version=OPSET,
                dynamic_shapes=({0: batch}, {0: batch}, shapes),
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


class _PaddedBags(nn.Module):
    """A `BagEmbedding` that reads padded ids [B, items] of each field in place of owners.

    ``items``: a list of them, which is filled before every call.
    """

    def __init__(self, embedding: BagEmbedding, items: list[Tensor]) -> None:
        super().__init__()
        self.offsets, self.width, self.weight = embedding.offsets, embedding.width, embedding.weight
        self.read = _Shared(items)

    def forward(self, _owners: Tensor) -> Tensor:
        means = []
        for ids, offset in zip(self.read.items, self.offsets, strict=True):
            vectors = nn.functional.embedding(ids + offset, self.weight)  # [B, items, E]
            known = (ids > 0).to(vectors.dtype).unsqueeze(2)  # [B, items, 1]
            means.append((vectors * known).sum(dim=1) / known.sum(dim=1).clamp(min=1))
        return torch.cat(means, dim=1)


class _Shared:
    """A list that copies of a model have in common."""

    def __init__(self, items: list[Tensor]) -> None:
        self.items = items


def _with_padded_bags(model: nn.Module) -> tuple[nn.Module, list[Tensor]]:
    """A copy of ``model`` in which multi-valued fields read a list of padded ids."""
    copy, items = deepcopy(model).cpu().eval(), list[Tensor]()
    for name, module in [*copy.named_modules()]:
        if isinstance(module, BagEmbedding):
            parent, _, child = name.rpartition(".")
            setattr(copy.get_submodule(parent), child, _PaddedBags(module, items))
    return copy, items


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
