"""Means of what was fitted without each fold, as one combination and one ensemble of trees."""

from collections.abc import Sequence
from typing import Any

import torch

from emm.fusion.stacking.combination import Combination
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble

_POSITIONS = ("starts", "left", "right")
_COPIED = ("column", "threshold", "missing_left")


@torch.no_grad()
def mean_combination(inputs: Inputs, fits: Sequence[Combination]) -> Combination:
    """The combination that predicts the mean of ``fits``: their parameters are linear in it."""
    gated = [fit for fit in fits if fit.features is not None]
    outputs = len(fits[0].bias)
    found = Combination(inputs, fits[0].members, outputs, features=bool(gated))
    for name, value in found.named_parameters():
        parts = [dict(fit.named_parameters()).get(name) for fit in fits]  # without a gate: none
        values = [part.double() for part in parts if part is not None]
        value.copy_(torch.stack(values).sum(0) / len(fits))
    return found


def mean_trees(
    inputs: Inputs, ensembles: Sequence[TreeEnsemble], share: float = 1.0
) -> TreeEnsemble:
    """An ensemble that predicts ``share`` of the mean of ``ensembles``, which read ``inputs``."""
    weight = share / len(ensembles)
    parts: dict[str, list[Any]] = {name: [] for name, _ in ensembles[0].named_buffers()}
    nodes, rows = 0, 0
    for each in ensembles:
        own = dict(each.named_buffers())
        for name in _COPIED:
            parts[name].append(own[name])
        for name in _POSITIONS:
            parts[name].append(own[name] + nodes)
        parts["bitset"].append(torch.where(own["bitset"] < 0, own["bitset"], own["bitset"] + rows))
        parts["bitsets"].append(own["bitsets"])
        parts["value"].append(own["value"] * weight)
        nodes, rows = nodes + len(own["value"]), rows + len(own["bitsets"])
    state = {name: torch.cat(each) for name, each in parts.items() if each}
    baselines = [each.baseline * weight for each in ensembles]
    state["baseline"] = torch.stack(baselines).sum(0)
    found = TreeEnsemble(
        inputs,
        trees=len(state["starts"]),
        nodes=nodes,
        bitsets=rows,
        depth=max(each.depth for each in ensembles),
        outputs=ensembles[0].outputs,
    )
    found.load_state_dict(state)
    return found.eval()
