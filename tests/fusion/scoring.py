"""Pools with members from ONNX files: networks that are cut, and opaque ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import polars as pl
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from emm.fusion.build_pool import build_pool
from emm.fusion.members import ONNX
from emm.fusion.pool import Pool
from emm.fusion.trained_models import (
    OpaqueModel,
    TrainedNetwork,
    TrainedTrees,
    pipeline_networks,
)
from emm.outside.onnx import CutOnnx, cut, read_onnx
from tests.fusion.conftest import INPUTS, SCHEMA, random_trees, save_trained
from tests.fusion.fused import mean_logits, rows

COLUMNS = 6
TASKS = ("t0", "t1")


def save_onnx(
    path: Path, seed: int, widths: Sequence[int] = (8, 8, 8), *, end: Sequence[str] = ()
) -> Path:
    """Save an MLP on ``x`` [B, 6] with ReLU; ``end``: operators after its last layer."""
    rng = np.random.default_rng(seed)
    nodes, constants, value = [], [], "x"
    sizes = [COLUMNS, *widths, 1]
    for number, (before, after) in enumerate(pairwise(sizes)):
        for name, shape in {"w": (before, after), "b": (after,)}.items():
            constant = rng.normal(0, 0.7, shape).astype(np.float32)
            constants.append(numpy_helper.from_array(constant, f"{name}{number}"))
        gemm = helper.make_node("Gemm", [value, f"w{number}", f"b{number}"], [f"g{number}"])
        nodes.append(gemm)
        value = f"g{number}"
        if number < len(widths):
            nodes.append(helper.make_node("Relu", [value], [f"r{number}"]))
            value = f"r{number}"
    for number, operator in enumerate(end):
        nodes.append(helper.make_node(operator, [value], [f"e{number}"]))
        value = f"e{number}"
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", COLUMNS])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["rows", 1])],
        constants,
    )
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def raw_rows(count: int) -> pl.DataFrame:
    """Raw columns of ``rows(count)``."""
    values = np.random.default_rng(count).normal(size=(count, COLUMNS)).astype(np.float32)
    return pl.DataFrame({f"x[{number}]": values[:, number] for number in range(COLUMNS)})


@dataclass(frozen=True)
class Scoring:
    """A pool with trees, a cut network of the first task and an opaque member of the second."""

    pool: Pool
    network: CutOnnx
    opaque: CutOnnx

    def columns(self, count: int) -> Tensor:
        """The scored columns [N, P] of ``rows(count)``."""
        raw = raw_rows(count)
        parts = [self.opaque.model.logits([raw]), self.network.scored_input([raw])]
        return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))

    def means(self, count: int) -> Tensor:
        """The mean of each task's members' logits [N, 2]: by onnxruntime those from ONNX."""
        raw, plain = raw_rows(count), without_scores(self.pool)
        own = mean_logits(plain, *rows(count))
        counts = [sum(x.task == task for x in plain.members.all) for task in range(2)]
        added = [self.network.model.logits([raw]), self.opaque.model.logits([raw])]
        return torch.cat(
            [
                (own[:, t : t + 1] * counts[t] + torch.tensor(added[t])) / (counts[t] + 1)
                for t in range(2)
            ],
            dim=1,
        ).float()


def without_scores(pool: Pool) -> Pool:
    """The members that need no scores."""
    return pool.select(
        [x.name for x in pool.members.all if x.name not in pool.members.scored_names]
    )


@cache
def scoring() -> Scoring:
    """Tests don't change it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = []
        for seed, end in enumerate(((), ("Sigmoid",))):
            model = read_onnx(save_onnx(folder / f"{seed}.onnx", seed, end=end))
            parts = cut(model)
            assert isinstance(parts, CutOnnx)
            parts.scored_input([raw_rows(2)])  # keeps its session, and so needs no file
            model.logits([raw_rows(2)])
            found.append(parts)
        own = pipeline_networks(save_trained(folder, 2, ("narrow",)), TASKS, SCHEMA, "seed-0")
    network, opaque = found
    trees = [TrainedTrees("gbdt/t0", 0, random_trees(4, 0, 0), "1" * 64)]
    return Scoring(
        build_pool(
            [*own, cut_network("risk", 0, network)],
            trees,
            INPUTS,
            TASKS,
            SCHEMA,
            0,
            opaque=[OpaqueModel("boost", 1, "2" * 64)],
        ),
        network,
        opaque,
    )


def cut_network(name: str, task: int, parts: CutOnnx) -> TrainedNetwork:
    arguments = {"width": parts.description["width"], "description": parts.description}
    layers = tuple(parts.layers)
    return TrainedNetwork(name, task, parts.build(), ONNX, arguments, None, "3" * 64, layers)
