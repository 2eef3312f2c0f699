"""What a pool says of the rows that a fusion learns on, worked out once before it does.

Trained models have memorised something of the rows they were trained on, boosted trees most of
all: a fusion that learns on what they say of these rows trusts whoever memorised most. So it can
be given what models of the same kind say that were trained without the row's fold.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.data.batches import Table
from emm.data.folds import folds_of
from emm.fusion.gather import Grown, Trained
from emm.fusion.given import Columns
from emm.fusion.members import Trees

ROWS = 16_384  # a time: more would only need more memory


def as_trained(trees: Sequence[Grown], levels: int, table: Table) -> Columns:
    """The shares of the pool's own trees; networks need nothing."""
    return {each.name: _shares(each, levels, table) for each in trees}


def out_of_fold(
    networks: Sequence[Trained],
    folds: Sequence[tuple[Sequence[Trained], Sequence[Grown]]],
    levels: int,
    table: Table,
    seed: int,
) -> Columns:
    """What each fold's own models say of its rows, which they weren't trained on.

    ``networks``: those of the pool, by name; ``folds``: the networks and trees of each fold. Trees
    are replaced by those of the fold; to a network's logit the fold's less its own is added.
    """
    fold = folds_of(len(table), len(folds), seed).to(table.labels.device)
    own = {each.name: _logits(each.model, table) for each in networks}  # each [N, 1]
    found: Columns = {}
    for number, (trained, grown) in enumerate(folds):
        rows = (fold == number).nonzero().squeeze(1)
        part = table.rows(rows)
        columns = {each.name: _shares(each, levels, part) for each in grown}
        columns |= {each.name: _logits(each.model, part) - own[each.name][rows] for each in trained}
        for name, values in columns.items():
            found.setdefault(name, values.new_empty(len(table), values.shape[1]))[rows] = values
    return found


@torch.inference_mode()
def _shares(grown: Grown, levels: int, table: Table) -> Tensor:
    module = Trees([grown.model], levels).to(table.labels.device)
    parts = zip(torch.split(table.dense, ROWS), torch.split(table.sparse, ROWS), strict=True)
    return torch.cat([module(dense, sparse).squeeze(1) for dense, sparse in parts])  # [N, C]


@torch.inference_mode()
def _logits(model: nn.Module, table: Table) -> Tensor:
    model = model.to(table.labels.device).eval()
    parts = zip(torch.split(table.dense, ROWS), torch.split(table.sparse, ROWS), strict=True)
    return torch.cat([model(dense, sparse) for dense, sparse in parts])  # [N, 1]
