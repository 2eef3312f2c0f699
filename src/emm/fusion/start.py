"""How a fused model starts from its pool, and what of it learns."""

import torch
from torch import nn

from emm.core.errors import ModelFileError
from emm.fusion.aligned import AlignedFusion
from emm.fusion.emm import EMM
from emm.fusion.ensemble import Ensemble
from emm.fusion.layers import Component
from emm.fusion.pool import Pool
from emm.fusion.settings import Start


def load_pool_into(model: EMM, pool: Pool, start: Start) -> None:
    """Take over the pool's weights; ModelFileError if they don't fit the model's description."""
    try:
        _load(model.trees.members, pool, "trees.{}")
        if start.networks == "trained":
            _load(model.networks.members, pool, "networks.{}.levels")
            if start.towers != "fresh" and isinstance(model.fusion, AlignedFusion | Ensemble):
                _load(model.fusion.towers, pool, "networks.{}.tower")
    except RuntimeError as error:
        raise ModelFileError(
            f"the pool's tensors don't fit its description: {error}",
            next_step="dvc repro --force decompose",
        ) from error
    if start.towers == "frozen" and isinstance(model.fusion, AlignedFusion):
        model.fusion.towers.freeze()
    if start.networks == "fresh":
        model.networks.members.thaw()
    elif start.embeddings == "fresh":
        for levels in model.networks.members:
            _redraw(levels)


def _load(modules: nn.ModuleList, pool: Pool, place: str) -> None:
    for number, module in enumerate(modules):
        module.load_state_dict(pool.part(place.format(number)))


@torch.no_grad()
def _redraw(levels: nn.Module) -> None:
    """Fresh, learning weights of the usual spread for what the first component embeds with."""
    first = next(module for module in levels.modules() if isinstance(module, Component))
    for parameter in first.layers[0].parameters():
        parameter.normal_(std=float(parameter.std())).requires_grad_()
