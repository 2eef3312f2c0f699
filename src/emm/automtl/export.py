"""The architecture that a supernet has decided for, and its weights."""

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
    """An architecture, and for each level the numbers of its experts in the supernet."""

    architecture: Architecture
    origins: tuple[tuple[int, ...], ...]


def decide(supernet: Supernet, operators: Mapping[Place, str], limits: Limits = ()) -> Found:
    """The architecture of the gates' more likely values and of ``operators``.

    Experts that no task reads, directly or indirectly, are left out, unless a softmax over all
    experts needs them. While it exceeds ``limits``, the open gates with the lowest logits are
    closed, except one per reader; then the readers of a level all read the same expert; then the
    most expensive operators become the identity. Raises ParamsError if even that exceeds the
    limits.
    """
    gates, logits, operators = _decided(supernet), supernet.selection_logits(), dict(operators)
    keep = supernet.softmax == "all"
    while excess(found := _pruned(gates, operators, supernet.width, keep=keep), limits):
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
    """Whether an architecture exceeds one of the limits."""
    return any(meter.exact(found.architecture) > limit for meter, limit in limits)


def exported_weights(supernet: Supernet, found: Found) -> dict[str, Tensor]:
    """The weights of the supernet as the state of the model `AutoMTL` of ``found``."""
    state = {f"front.{key}": value for key, value in supernet.front.state_dict().items()}
    state |= {f"towers.{key}": value for key, value in supernet.towers.state_dict().items()}
    chains = {place: choice for place, choice in supernet.choices()}
    for number, (level, origins) in enumerate(
        zip(found.architecture.levels, found.origins, strict=True)
    ):
        for j, (expert, k) in enumerate(zip(level, origins, strict=True)):
            if number == 0 and supernet.stems is not None:
                state |= _stem(supernet, expert, k, f"stems.{j}")
            for depth, name in enumerate(expert.operators):
                own = chains[number, k, depth].candidates[name].state_dict()
                if number + depth == 0 and supernet.stems is None:
                    first = "weight" if name == IDENTITY else "expand.weight"
                    own[first] = own[first][:, _columns(supernet, expert)]
                state |= {f"levels.{number}.{j}.{depth}.{key}": v for key, v in own.items()}
    state |= _gates(supernet, found)
    return {key: value.detach().cpu().clone() for key, value in state.items()}


def _gates(supernet: Supernet, found: Found) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    readers = [*found.origins[1:], range(len(found.architecture.tasks))]
    for number, above in enumerate(readers):
        weight: Tensor = supernet.gates[number].weight  # type: ignore[assignment]
        if supernet.softmax == "all":
            state[f"gates.{number}.linear.weight"] = weight
            continue
        chosen = found.architecture.receivers(number)
        rows = [
            weight[r, [found.origins[number][k] for k in own]]
            for r, own in zip(above, chosen, strict=True)
            if len(own) > 1
        ]
        if rows:
            state[f"gates.{number}.linear.weight"] = torch.cat(rows)
    return state


def _columns(supernet: Supernet, expert: Expert) -> Tensor:
    """Which of the numbers that all experts could read this one reads."""
    vector = supernet.embedding_dim
    starts = [number * vector for number in expert.fields]
    if len(expert.interactions) > 1:
        starts.append(supernet.front.width)
    return torch.cat([torch.arange(start, start + vector) for start in starts])


def _stem(supernet: Supernet, expert: Expert, k: int, name: str) -> dict[str, Tensor]:
    width, stems, norm = supernet.width, supernet.stems, supernet.norm
    part = slice(k * width, (k + 1) * width)
    assert stems is not None
    assert stems.bias is not None
    assert norm is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    return {
        f"{name}.linear.weight": stems.weight[k][:, _columns(supernet, expert)],
        f"{name}.linear.bias": stems.bias[k],
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


def _pruned(
    gates: Selections, operators: Mapping[Place, str], width: int, *, keep: bool = False
) -> Found:
    """The architecture of only the experts that are read, renumbered; ``keep``: of all."""
    levels = len(gates.experts)
    kept: list[list[int]] = []
    readers = list(range(len(gates.experts[-1])))
    for level in reversed(range(levels)):
        if keep:
            kept.insert(0, list(range(gates.experts[level].shape[1])))
            continue
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
    """For each kept reader of a level, the new numbers of the experts that it reads."""
    table = gates.experts[level][:, list(kept[level])]  # [R, kept]
    rows = kept[level + 1] if level + 1 < len(kept) else range(len(table))
    return [_open(table[row]) for row in rows]


def _open(gates: Tensor) -> tuple[int, ...]:
    return tuple(gates.nonzero().flatten().tolist())


def _close_one(gates: Selections, logits: Selections) -> bool:
    """Close the open gate with the lowest logit that isn't its reader's last; False if none is."""
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
    """Let all readers of a level read the expert with the largest sum of logits; False if all
    levels are like that already."""
    for table, beta in zip(gates.experts, logits.experts, strict=True):
        if int(table.any(dim=0).sum()) > 1:
            shared = beta.sum(dim=0).argmax()
            table.fill_(False)
            table[:, shared] = True
            return True
    return False


def _simplify_one(operators: dict[Place, str], limits: Limits, width: int) -> bool:
    """Replace the most expensive operator by the identity; False if all are identities."""
    meter = limits[0][0]
    place = max(operators, key=lambda each: meter.operator(operators[each], width))
    changed = operators[place] != IDENTITY
    operators[place] = IDENTITY
    return changed
