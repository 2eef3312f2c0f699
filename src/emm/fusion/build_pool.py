"""Decomposition of trained networks into a pool of components."""

from collections.abc import Sequence

from torch import nn

from emm.core.errors import DecompositionError
from emm.fusion.cuts import Cuts, cut_at_common_layers
from emm.fusion.layers import trace_layers
from emm.fusion.members import DecomposedNetwork, Members, NetworkMember, TreeMember
from emm.fusion.pool import Pool
from emm.fusion.trained_models import POOL, TrainedNetwork, TrainedTrees
from emm.nn.inputs import Inputs
from emm.nn.structure import Layer


def build_pool(
    networks: Sequence[TrainedNetwork],
    trees: Sequence[TrainedTrees],
    inputs: Inputs,
    tasks: Sequence[str],
    schema_sha256: str,
    seed: int,
    *,
    outputs: Sequence[int] = (),
    adapt: bool = False,
) -> Pool:
    """Decompose all networks (Algorithm 1), and collect the components and the tree ensembles.

    ``outputs``: number of logits of each task, () if all have one; ``adapt``: cut at layers of the
    same type even if their widths differ; the fused model then learns adapters. Raises
    DecompositionError if there is no network, if a model doesn't have the outputs of its
    task, or if the networks can't be cut in the same way.
    """
    if not networks:
        raise DecompositionError(
            "the pool has no network to decompose",
            where=POOL,
            got=f"{len(trees)} tree ensembles",
            expected="at least one network, whose components define the levels",
            next_step="name one in `trained` or in fusion.pool",
        )
    chains = {each.name: _split_at_tower(each, inputs) for each in networks}
    for each in networks:
        found = chains[each.name][1][-1].structure.output
        _require_outputs(each, found, tasks, outputs)
    for trees_of_task in trees:
        _require_outputs(trees_of_task, (trees_of_task.model.outputs,), tasks, outputs)
    # The front, which embeds the raw features, stays with the first component even if all models
    # have the same front: the paper's x is its output.
    trunks = {name: trunk[1:] for name, (trunk, _) in chains.items()}
    cuts = cut_at_common_layers(trunks, adapt=adapt)
    members = Members(
        tuple(_member(each, *chains[each.name], cuts[each.name]) for each in networks),
        tuple(TreeMember(x.name, x.task, x.model.sizes(), x.source_sha256) for x in trees),
    )
    parts = nn.ModuleDict(
        {
            "networks": nn.ModuleList(
                DecomposedNetwork(each.model, member)
                for each, member in zip(networks, members.networks, strict=True)
            ),
            "trees": nn.ModuleList(each.model for each in trees),
        }
    )
    return Pool(members, parts.state_dict(), tuple(tasks), schema_sha256, seed)


def _split_at_tower(network: TrainedNetwork, inputs: Inputs) -> tuple[list[Layer], list[Layer]]:
    """The layers of a network before its tower, and those of its tower."""
    layers = trace_layers(network.model, inputs)
    if network.tower is None:
        starts = [number for number, layer in enumerate(layers) if layer.linear][-1:]
    else:
        name, prefix = network.tower, f"{network.tower}."
        starts = [
            number
            for number, layer in enumerate(layers)
            if layer.name == name or layer.name.startswith(prefix)
        ]
    if not starts or starts[0] < 2:
        raise DecompositionError(
            f"{network.name} is not a chain of layers with a tower",
            where=network.name,
            got=" -> ".join(layer.name or "the model as a whole" for layer in layers),
            expected=f"modules called one after the other, then {network.tower or 'a last layer'}",
            next_step="replace functional calls between its layers by modules",
        )
    return layers[: starts[0]], layers[starts[0] :]


def _require_outputs(
    model: TrainedNetwork | TrainedTrees,
    found: tuple[int, ...],
    tasks: Sequence[str],
    outputs: Sequence[int],
) -> None:
    """``found``: shape of the model's output without the rows."""
    expected, task = outputs[model.task] if outputs else 1, tasks[model.task]
    if found != (expected,):
        layer = "one output" if expected == 1 else f"{expected} outputs"
        raise DecompositionError(
            f"the output of {model.name} doesn't fit its task",
            where=model.name,
            got=f"an output of the shape {['rows', *found]}".replace("'", ""),
            expected=f"[rows, {expected}]"
            + (f", one column per class of {task}" if expected > 1 else f", the logit of {task}"),
            next_step=f"name a model of {task} whose last layer has {layer}"
            + (", in the order of the classes in schema.json" if expected > 1 else ""),
        )


def _member(
    network: TrainedNetwork, trunk: Sequence[Layer], tower: Sequence[Layer], cuts: Cuts
) -> NetworkMember:
    first, *others = (tuple(layer.name for layer in level) for level in cuts)
    return NetworkMember(
        name=network.name,
        task=network.task,
        architecture=network.architecture,
        arguments=network.arguments,
        levels=((trunk[0].name, *first), *others),
        tower=tuple(layer.name for layer in tower),
        widths=tuple(level[-1].structure.output[0] for level in cuts),
        source_sha256=network.source_sha256,
    )
