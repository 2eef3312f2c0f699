"""Predictions of a pool for the rows of train, out of fold or in sample.

Trained models have memorised parts of the rows on which they were trained, boosted trees most of
all: a fusion that learns on in-sample predictions trusts the models that have memorised most. Out
of fold, the predictions for a row come from models of the same kind that were trained without the
row's fold.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.data.tables.folds import folds_of
from emm.data.tables.rows import Rows
from emm.fusion.cached_predictions import Predictions
from emm.fusion.frozen_modules import Trees, WholeNetworks
from emm.fusion.trained_models import TrainedNetwork, TrainedTrees, TrainedWhole

ROWS = 16_384  # per batch; more would only need more memory


Shared = TrainedTrees | TrainedWhole
"""A model that enters by the shares of the levels in its logits."""


def in_sample_predictions(shared: Sequence[Shared], levels: int, rows: Rows) -> Predictions:
    """The shares of the pool's own trees and whole networks. Networks that are cut have no
    offset."""
    return _predict([], shared, levels, rows)


def out_of_fold_predictions(
    networks: Sequence[TrainedNetwork],
    folds: Sequence[tuple[Sequence[TrainedNetwork], Sequence[Shared]]],
    levels: int,
    rows: Rows,
    seed: int,
) -> Predictions:
    """For each row, the predictions of the models that were trained without its fold.

    ``networks``: those of the pool that are cut; ``folds``: those trained without each fold, and
    its trees and whole networks, whose shares are the predictions. The offset of a network that is
    cut is the logit of the fold's network minus its own.
    """
    fold = folds_of(rows, len(folds), seed).to(rows.labels.device)
    own = _predict(networks, [], levels, rows)  # logits
    merged: Predictions = {}
    for number, (fold_networks, fold_shared) in enumerate(folds):
        index = (fold == number).nonzero().squeeze(1)
        predictions = _predict(fold_networks, fold_shared, levels, rows.rows(index))
        for each in fold_networks:
            predictions[each.name] = predictions[each.name] - own[each.name][index]
        for name, values in predictions.items():
            every_row = values.new_empty(len(rows), values.shape[1])
            merged.setdefault(name, every_row)[index] = values
    return merged


@torch.inference_mode()
def _predict(
    networks: Sequence[TrainedNetwork], shared: Sequence[Shared], levels: int, rows: Rows
) -> Predictions:
    """Logits of each network, and shares of each other model in its logits, in one pass.

    They are [N, 1] and [N, C] for a single logit, and otherwise as wide as several of these.
    """
    device = rows.labels.device
    members: dict[str, nn.Module] = {each.name: each.model for each in networks}
    members |= {each.name: _shares_of(each, levels) for each in shared}
    for module in members.values():
        module.to(device).eval()
    parts: dict[str, list[Tensor]] = {name: [] for name in members}
    for batch in rows.in_order(ROWS) if members else ():
        for name, module in members.items():
            predicted = module(batch.dense, batch.sparse)  # logits, or shares [B, logits, C]
            parts[name].append(predicted.flatten(start_dim=1))
    return {name: torch.cat(values) for name, values in parts.items()}


def _shares_of(model: Shared, levels: int) -> nn.Module:
    if isinstance(model, TrainedTrees):
        return Trees([model.model], levels)
    return WholeNetworks([model.model], levels)
