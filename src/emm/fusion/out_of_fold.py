"""What a pool says of the rows that a fusion learns on, worked out once before it does.

Trained models have memorised something of the rows they were trained on, boosted trees most of
all: a fusion that learns on what they say of these rows trusts whoever memorised most. So it can
be given what models of the same kind say that were trained without the row's fold.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.data.tables.rows import Rows, folds_of
from emm.fusion.build_pool import Grown, Trained
from emm.fusion.cached_predictions import Columns
from emm.fusion.members import Trees

ROWS = 16_384  # a time: more would only need more memory


def as_trained(trees: Sequence[Grown], levels: int, table: Rows) -> Columns:
    """The shares of the pool's own trees; networks need nothing."""
    return _said([], trees, levels, table)


def out_of_fold(
    networks: Sequence[Trained],
    folds: Sequence[tuple[Sequence[Trained], Sequence[Grown]]],
    levels: int,
    table: Rows,
    seed: int,
) -> Columns:
    """What each fold's own models say of its rows, which they weren't trained on.

    ``networks``: those of the pool, by name; ``folds``: the networks and trees of each fold. Trees
    are replaced by those of the fold; to a network's logit the fold's less its own is added.
    """
    fold = folds_of(len(table), len(folds), seed).to(table.labels.device)
    own = _said(networks, [], levels, table)  # logits [N, 1]
    found: Columns = {}
    for number, (trained, grown) in enumerate(folds):
        rows = (fold == number).nonzero().squeeze(1)
        columns = _said(trained, grown, levels, table.rows(rows))
        for each in trained:
            columns[each.name] = columns[each.name] - own[each.name][rows]
        for name, values in columns.items():
            found.setdefault(name, values.new_empty(len(table), values.shape[1]))[rows] = values
    return found


@torch.inference_mode()
def _said(networks: Sequence[Trained], trees: Sequence[Grown], levels: int, table: Rows) -> Columns:
    """Logits [N, 1] of each network and shares [N, C] of each tree ensemble, in one pass."""
    device = table.labels.device
    members: dict[str, nn.Module] = {each.name: each.model for each in networks}
    members |= {each.name: Trees([each.model], levels) for each in trees}
    for module in members.values():
        module.to(device).eval()
    parts: dict[str, list[Tensor]] = {name: [] for name in members}
    for batch in table.in_order(ROWS) if members else ():
        for name, module in members.items():
            said = module(batch.dense, batch.sparse)  # [B, 1], or trees [B, 1, C]
            parts[name].append(said.flatten(start_dim=1))  # [B, 1] or [B, C]
    return {name: torch.cat(values) for name, values in parts.items()}
