"""Pools of the pipeline's own small networks and one from ONNX."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from emm.fusion.build_pool import build_pool
from emm.fusion.pool import Pool
from emm.fusion.trained_models import TrainedNetwork, pipeline_networks
from emm.outside.onnx import CutOnnx
from tests.fusion.conftest import INPUTS, SCHEMA, save_trained
from tests.fusion.fused import build, rows, without_gradient
from tests.fusion.scoring import TASKS, cut_network


@cache
def own_networks() -> tuple[TrainedNetwork, ...]:
    """One for each of two tasks, with three blocks of widths 8, 8. Tests don't change them."""
    with TemporaryDirectory() as name:
        folders = save_trained(Path(name), 2, ("narrow",))
        return tuple(pipeline_networks(folders, TASKS, SCHEMA, "seed-0"))


def pool_with(parts: CutOnnx, *, adapt: bool) -> Pool:
    """A pool of them and a network from ONNX, of the first task."""
    members = [*own_networks(), cut_network("outside", 0, parts)]
    return build_pool(members, [], INPUTS, TASKS, SCHEMA, 0, adapt=adapt)


@torch.no_grad()
def means(logits: Tensor, dense: Tensor, sparse: Tensor) -> Tensor:
    """The mean logits of each task's members [B, 2]; ``logits``: the outside one's."""
    first, second = (each.model.eval()(dense, sparse) for each in own_networks())
    return torch.cat([(first + logits) / 2, second], dim=1)


def assert_fusible(parts: CutOnnx, scored: Tensor, logits: Tensor, *, adapt: bool = False) -> None:
    """Ensemble and aligned start as the mean of the originals' logits; paper and aligned learn.

    ``scored``: the network's scored input; ``logits``: those of its original, for the same rows.
    """
    pool, own = pool_with(parts, adapt=adapt), rows(len(logits))
    expected = means(logits, *own)
    for variant in ("ensemble", "aligned"):
        with torch.inference_mode():
            found = build(pool, variant).eval()(*own, scored)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for variant in ("aligned", "paper"):
        fused = build(pool, variant, zero_merge=False, uniform_gates=False).train()
        fused.unfreeze()
        fused(*own, scored).square().sum().backward()
        assert without_gradient(fused) == []
