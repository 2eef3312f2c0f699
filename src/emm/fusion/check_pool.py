"""The networks of a stored pool are compared with the models that they were made of."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from emm.data.tables.schema import REGRESSION
from emm.fusion.layers import device_of
from emm.fusion.members import FACTORY, DecomposedNetwork, NetworkMember
from emm.fusion.pool import Pool
from emm.fusion.recomposition import (
    Rebuilt,
    require_same,
    require_scores,
    require_whole,
    rows_at,
    sample,
)
from emm.fusion.towers import parts_of
from emm.fusion.trained_models import TrainedNetwork, TrainedWhole
from emm.nn.bags import attach_bags
from emm.outside.settings import TOLERANCE, OutsideModel
from emm.training.context import TrainingContext

Scored = Mapping[str, tuple[Tensor, Tensor]]
"""By network: its scored inputs [N, H] and the original's outputs [N, O] for validation."""

NOBODY: Mapping[str, OutsideModel] = {}


def check_networks(
    pool: Pool,
    networks: Sequence[TrainedNetwork],
    context: TrainingContext,
    scored: Scored,
    entries: Mapping[str, OutsideModel] = NOBODY,
) -> None:
    """Rebuild every network from what is stored, and compare it on rows of validation.

    ``networks``: those of which ``pool`` was built; ``entries``: of the outside models, by name;
    factories must be trusted. Raises DecompositionError, see `require_same`.
    """
    index = sample(len(context.validation))
    rows = rows_at(context.validation, index)
    for number, (network, member) in enumerate(zip(networks, pool.members.networks, strict=True)):
        parts = _rebuilt(pool, member, number, context).to(context.device)
        if member.entry:
            inputs, outputs = (columns[index].to(context.device) for columns in scored[member.name])
            entry = entries.get(network.name)
            tolerance = entry.tolerance if entry else TOLERANCE
            require_scores(member.name, parts, inputs, outputs, tolerance)
            continue
        before = device_of(network.model)
        regression = context.schema.kind(pool.tasks[member.task]) == REGRESSION
        outputs_of_task = context.schema.outputs[member.task] if context.schema.outputs else 1
        ending = parts_of(network, context.inputs, outputs_of_task, regression=regression).ending
        rebuilt = Rebuilt(
            network.name,
            network.model.to(context.device),
            parts,
            ending,
            logits=network.architecture == FACTORY and not regression,
        )
        attach_bags(network.model, context.bags)  # tracing takes them off
        require_same(rebuilt, rows, context.inputs)
        network.model.to(before)


def check_whole(pool: Pool, networks: Sequence[TrainedWhole], context: TrainingContext) -> None:
    """The same for networks that aren't cut. Raises DecompositionError, see `require_whole`."""
    rows = rows_at(context.validation, sample(len(context.validation)))
    for number, (network, member) in enumerate(zip(networks, pool.members.whole, strict=True)):
        with torch.random.fork_rng(devices=[]):
            rebuilt = member.build(context.inputs)
        rebuilt.load_state_dict(pool.tensors_of(f"whole.{number}"))
        before = device_of(network.model)
        for model in (network.model, rebuilt):
            attach_bags(model.to(context.device), context.bags)
        outputs = context.schema.outputs[member.task] if context.schema.outputs else 1
        require_whole(network.name, network.model, rebuilt, rows, outputs)
        network.model.to(before)


def _rebuilt(
    pool: Pool, member: NetworkMember, number: int, context: TrainingContext
) -> DecomposedNetwork:
    with torch.random.fork_rng(devices=[]):
        parts = member.build(context.inputs)
    parts.load_state_dict(pool.tensors_of(f"networks.{number}"))
    attach_bags(parts, context.bags)
    return parts
