"""How a fused model starts from its pool."""

import torch
from torch import nn

from emm.core.errors import ModelFileError
from emm.fusion.aligned import AlignedFusion
from emm.fusion.emm import EMM
from emm.fusion.ensemble import Ensemble
from emm.fusion.layers import Component
from emm.fusion.pool import Pool
from emm.fusion.settings import Start
from emm.fusion.stacking.module import StackedFusion


def load_pool_into(model: EMM, pool: Pool, start: Start) -> None:
    """Load the weights of the pool as ``start`` says, and freeze or unfreeze the modules.

    Raises ModelFileError if the weights don't fit the pool's description.
    """
    try:
        _load(model.trees.members, pool, "trees.{}")
        _load(model.whole.members, pool, "whole.{}")
        if start.networks == "trained":
            _load(model.networks.members, pool, "networks.{}.levels")
            towers = _towers(model)
            if start.towers != "fresh" and towers is not None:
                _load(towers, pool, "networks.{}.tower")
    except RuntimeError as error:
        raise ModelFileError(
            f"the pool's tensors don't fit its description: {error}",
            next_step="dvc repro --force decompose",
        ) from error
    if start.towers == "frozen" and isinstance(model.fusion, AlignedFusion):
        model.fusion.towers.freeze()
    if start.networks == "fresh":
        model.networks.members.unfreeze()
    elif start.embeddings == "fresh":
        for levels in model.networks.members:
            _reset_embeddings(levels)


def _towers(model: EMM) -> nn.ModuleList | None:
    """The towers of the pool that a fused model has; None if it has its own."""
    fusion = model.fusion
    if isinstance(fusion, StackedFusion):
        return fusion.members.towers
    return fusion.towers if isinstance(fusion, AlignedFusion | Ensemble) else None


def _load(modules: nn.ModuleList, pool: Pool, part: str) -> None:
    for number, module in enumerate(modules):
        module.load_state_dict(pool.tensors_of(part.format(number)))


@torch.no_grad()
def _reset_embeddings(levels: nn.Module) -> None:
    """Draw new trainable weights, with the same spread, for the first layer of a network."""
    first = next(module for module in levels.modules() if isinstance(module, Component))
    for parameter in first.layers[0].parameters():
        parameter.normal_(std=float(parameter.std())).requires_grad_()
