"""Decomposition of trained networks into a pool of components."""

from collections.abc import Collection, Sequence

from torch import nn

from emm.core.errors import DecompositionError
from emm.fusion.cuts import Cuts, cut_at_common_layers
from emm.fusion.members import (
    DecomposedNetwork,
    Members,
    NetworkMember,
    OpaqueMember,
    TreeMember,
    WholeMember,
)
from emm.fusion.pool import Pool
from emm.fusion.towers import Parts, parts_of, require_outputs
from emm.fusion.trained_models import (
    POOL,
    OpaqueModel,
    TrainedNetwork,
    TrainedTrees,
    TrainedWhole,
)
from emm.nn.inputs import Inputs


def build_pool(
    networks: Sequence[TrainedNetwork],
    trees: Sequence[TrainedTrees],
    inputs: Inputs,
    tasks: Sequence[str],
    schema_sha256: str,
    seed: int,
    *,
    opaque: Sequence[OpaqueModel] = (),
    whole: Sequence[TrainedWhole] = (),
    outputs: Sequence[int] = (),
    regressions: Collection[str] = (),
    adapt: bool = False,
) -> Pool:
    """Decompose all networks (Algorithm 1), and collect the components and the other members.

    ``whole``: networks that aren't cut; ``outputs``: number of logits of each task, () if all have
    one; ``adapt``: cut at layers of the same type even if their widths differ; the fused model then
    learns adapters. Raises DecompositionError if there is no member, if two members have the same
    name, if a model doesn't have the outputs of its task, or if the networks can't be cut in the
    same way.
    """
    _require_names([*networks, *trees, *whole, *opaque])
    parts = parts_by_name(networks, inputs, tasks, outputs, regressions)
    found = {name: own.tower[-1].structure.output for name, own in parts.items()}
    found |= {each.name: (each.model.outputs,) for each in trees}
    models: list[TrainedNetwork | TrainedTrees] = [*networks, *trees]
    for model in models:
        require_outputs(model, found[model.name], tasks[model.task], _outputs_of(model, outputs))
    # The front, which embeds the raw features, stays with the first component even if all models
    # have the same front: the paper's x is its output.
    trunks = {name: own.trunk[1:] for name, own in parts.items()}
    cuts = cut_at_common_layers(trunks, adapt=adapt) if trunks else {}
    members = Members(
        tuple(_member(each, parts[each.name], cuts[each.name]) for each in networks),
        tuple(TreeMember(x.name, x.task, x.model.sizes(), x.source_sha256) for x in trees),
        tuple(OpaqueMember(x.name, x.task, x.source_sha256) for x in opaque),
        tuple(
            WholeMember(x.name, x.task, x.architecture, x.arguments, x.source_sha256) for x in whole
        ),
    )
    modules = nn.ModuleDict(
        {
            "networks": nn.ModuleList(
                DecomposedNetwork(each.model, member)
                for each, member in zip(networks, members.networks, strict=True)
            ),
            "trees": nn.ModuleList(each.model for each in trees),
            "whole": nn.ModuleList(each.model for each in whole),
        }
    )
    return Pool(members, modules.state_dict(), tuple(tasks), schema_sha256, seed)


def parts_by_name(
    networks: Sequence[TrainedNetwork],
    inputs: Inputs,
    tasks: Sequence[str],
    outputs: Sequence[int] = (),
    regressions: Collection[str] = (),
) -> dict[str, Parts]:
    """The layers of each network before and of its tower; for the arguments see `build_pool`."""
    return {
        each.name: parts_of(
            each,
            inputs,
            _outputs_of(each, outputs),
            regression=tasks[each.task] in regressions,
        )
        for each in networks
    }


def _outputs_of(model: TrainedNetwork | TrainedTrees, outputs: Sequence[int]) -> int:
    return outputs[model.task] if outputs else 1


def _require_names(
    members: Sequence[TrainedNetwork | TrainedTrees | TrainedWhole | OpaqueModel],
) -> None:
    """There are members, which are known by their names."""
    names = [member.name for member in members]
    if not names:
        raise DecompositionError(
            "the pool has no members",
            where=POOL,
            expected="at least one model for each task",
            next_step="name one in `trained`, `fusion.trees` or `fusion.pool`",
        )
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DecompositionError(
            f"two members of the pool are called {repeated}",
            where=POOL,
            expected="a different name for each",
            next_step="rename one of the entries",
        )


def _member(network: TrainedNetwork, parts: Parts, cuts: Cuts) -> NetworkMember:
    first, *others = (tuple(layer.name for layer in level) for level in cuts)
    return NetworkMember(
        name=network.name,
        task=network.task,
        architecture=network.architecture,
        arguments=network.arguments,
        levels=((parts.trunk[0].name, *first), *others),
        tower=tuple(layer.name for layer in parts.tower),
        widths=tuple(level[-1].structure.output[0] for level in cuts),
        source_sha256=network.source_sha256,
    )
