"""From a supernet to the architecture that it has decided for, and to that one's weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from emm.automtl.cost import Meter
from emm.automtl.space import IDENTITY, Architecture, Expert, Operator
from emm.automtl.supernet import Selections, Supernet
from emm.core.errors import ParamsError

Place = tuple[int, int, int]
"""Level, expert and layer."""

Limits = Sequence[tuple[Meter, int]]


@dataclass(frozen=True)
class Found:
    """An architecture, and the experts of the supernet that it has: by level their numbers."""

    architecture: Architecture
    origins: tuple[tuple[int, ...], ...]


def decide(supernet: Supernet, operators: Mapping[Place, str], limits: Limits = ()) -> Found:
    """The architecture of the gates' likelier values and of ``operators``.

    What no task reads, directly or not, is left out. Where it costs more than ``limits``, the gates
    that are least sure to be open are closed, down to one a reader; if that isn't enough, readers
    share what they read, and then the costliest operators become the identity. ParamsError if even
    that costs more.
    """
    gates, logits, operators = _decided(supernet), supernet.selection_logits(), dict(operators)
    while excess(found := _pruned(gates, operators, supernet.width), limits):
        if not (
            _close_one(gates, logits)
            or _share_one(gates, logits)
            or _simplify_one(operators, limits, supernet.width)
        ):
            raise ParamsError(
                "no architecture of the search space is within the budget",
                where="budget of the section `search` of the recipe",
                got=str([limit for _, limit in limits]),
                expected=f"at least {[meter.exact(found.architecture) for meter, _ in limits]}",
                next_step="raise the budget, or shrink embedding_dim, width or tower",
            )
    return found


def excess(found: Found, limits: Limits) -> bool:
    """Whether an architecture costs more than one of the limits."""
    return any(meter.exact(found.architecture) > limit for meter, limit in limits)


def exported_weights(supernet: Supernet, found: Found) -> dict[str, Tensor]:
    """The supernet's weights as the state of `emm.automtl.network.AutoMTL` of ``found``."""
    state = {f"front.{key}": value for key, value in supernet.front.state_dict().items()}
    state |= {f"towers.{key}": value for key, value in supernet.towers.state_dict().items()}
    chains = {place: choice for place, choice in supernet.choices()}
    for number, (level, origins) in enumerate(
        zip(found.architecture.levels, found.origins, strict=True)
    ):
        for j, (expert, k) in enumerate(zip(level, origins, strict=True)):
            if number == 0:
                state |= _stem(supernet, expert, k, f"stems.{j}")
            for depth, name in enumerate(expert.operators):
                if name != IDENTITY:
                    own = chains[number, k, depth].candidates[name].state_dict()
                    state |= {f"levels.{number}.{j}.{depth}.{key}": v for key, v in own.items()}
    readers = [*found.origins[1:], range(len(found.architecture.tasks))]
    for number, above in enumerate(readers):
        weight: Tensor = supernet.gates[number].weight  # type: ignore[assignment]
        chosen = found.architecture.receivers(number)
        rows = [
            weight[r, [found.origins[number][k] for k in own]]
            for r, own in zip(above, chosen, strict=True)
            if len(own) > 1
        ]
        if rows:
            state[f"gates.{number}.linear.weight"] = torch.cat(rows)
    return {key: value.detach().cpu().clone() for key, value in state.items()}


def _stem(supernet: Supernet, expert: Expert, k: int, name: str) -> dict[str, Tensor]:
    width, vector, bias = supernet.width, supernet.embedding_dim, supernet.stems.bias
    starts = [number * vector for number in expert.fields]
    if len(expert.interactions) > 1:
        starts.append(supernet.front.width)
    columns = torch.cat([torch.arange(start, start + vector) for start in starts])
    part = slice(k * width, (k + 1) * width)
    norm = supernet.norm
    assert bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    return {
        f"{name}.linear.weight": supernet.stems.weight[k][:, columns],
        f"{name}.linear.bias": bias[k],
        f"{name}.norm.running_mean": norm.running_mean[part],
        f"{name}.norm.running_var": norm.running_var[part],
        f"{name}.norm.num_batches_tracked": norm.num_batches_tracked,
    }


@torch.no_grad()
def _decided(supernet: Supernet) -> Selections:
    training = supernet.training
    gates = supernet.eval().selections()
    supernet.train(training)
    return Selections(
        gates.fields.bool(), gates.interactions.bool(), tuple(each.bool() for each in gates.experts)
    )


def _pruned(gates: Selections, operators: Mapping[Place, str], width: int) -> Found:
    """Only the experts that are read, numbered anew."""
    levels = len(gates.experts)
    kept: list[list[int]] = []
    readers = list(range(len(gates.experts[-1])))
    for level in reversed(range(levels)):
        readers = gates.experts[level][readers].any(dim=0).nonzero().flatten().tolist()
        kept.insert(0, readers)
    read = [_reads(gates, kept, level) for level in range(levels)]
    layers = max(depth for _, _, depth in operators) + 1
    chains = [
        [
            tuple(cast(Operator, operators[level, k, depth]) for depth in range(layers))
            for k in kept[level]
        ]
        for level in range(levels)
    ]
    first = tuple(
        Expert(chain, _open(gates.fields[k]), _open(gates.interactions[k]))
        for k, chain in zip(kept[0], chains[0], strict=True)
    )
    above = (
        tuple(Expert(chain, experts=own) for chain, own in zip(own_chains, own_reads, strict=True))
        for own_chains, own_reads in zip(chains[1:], read[:-1], strict=True)
    )
    return Found(Architecture(width, (first, *above), tuple(read[-1])), tuple(map(tuple, kept)))


def _reads(gates: Selections, kept: Sequence[Sequence[int]], level: int) -> list[tuple[int, ...]]:
    """For each kept reader of a level the experts that it reads, by their new numbers."""
    table = gates.experts[level][:, list(kept[level])]  # [R, kept]
    rows = kept[level + 1] if level + 1 < len(kept) else range(len(table))
    return [_open(table[row]) for row in rows]


def _open(gates: Tensor) -> tuple[int, ...]:
    return tuple(gates.nonzero().flatten().tolist())


def _close_one(gates: Selections, logits: Selections) -> bool:
    """Close the open gate of the lowest logit that isn't its reader's last; False if none is."""
    candidates = []
    for table, beta, least in (
        (gates.fields, logits.fields, 1),
        (gates.interactions, logits.interactions, 0),
        *((own, beta, 1) for own, beta in zip(gates.experts, logits.experts, strict=True)),
    ):
        spare = table & (table.sum(dim=1, keepdim=True) > least)
        if spare.any():
            lowest, at = beta.masked_fill(~spare, torch.inf).flatten().min(dim=0)
            candidates.append((lowest.item(), table, int(at)))
    if not candidates:
        return False
    _, table, place = min(candidates, key=lambda each: each[0])
    table.view(-1)[place] = False
    return True


def _share_one(gates: Selections, logits: Selections) -> bool:
    """Let all readers of a level read the same expert, that of the largest sum of logits; False if
    they do on every level."""
    for table, beta in zip(gates.experts, logits.experts, strict=True):
        if int(table.any(dim=0).sum()) > 1:
            shared = beta.sum(dim=0).argmax()
            table.fill_(False)
            table[:, shared] = True
            return True
    return False


def _simplify_one(operators: dict[Place, str], limits: Limits, width: int) -> bool:
    """Make the costliest operator the identity; False if all are."""
    meter = limits[0][0]
    place = max(operators, key=lambda each: meter.operator(operators[each], width))
    changed = operators[place] != IDENTITY
    operators[place] = IDENTITY
    return changed
