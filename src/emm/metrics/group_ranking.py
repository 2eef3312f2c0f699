"""Ranking within groups, such as the impressions of a user: GAUC, exact with ties."""

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.checks import check_pair


def gauc(scores: Tensor, labels: Tensor, groups: Tensor) -> float:
    """Mean AUC of the groups, weighted by their rows; scores, labels [N], groups [N] integers.

    sum_g n_g AUC_g / sum_g n_g over the groups g with both classes, n_g their impressions. Groups
    of one class have no AUC and are left out, and so are rows of a negative group, which stands for
    an unknown one. Equal scores count one half; the AUCs are computed in integers.
    Raises DataError like `emm.metrics.ranking.auc`, for groups of another shape, and if no group
    has both classes.
    Zhu et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018.
    """
    check_pair(scores, labels)
    _check_groups(groups, scores)
    known = groups >= 0
    twice_areas, positives, rows = _counts(scores[known], labels[known] == 1, groups[known])
    pairs = positives * (rows - positives)
    mixed = pairs > 0
    if not bool(mixed.any()):
        raise DataError(
            "the GAUC is undefined: no group has both classes",
            got=f"{len(rows)} groups in {int(rows.sum())} rows",
            expected="a group with positive and negative rows",
            next_step="set gauc_key in the section evaluate to another column, or to null",
        )
    areas = twice_areas[mixed].double() / (2 * pairs[mixed])
    return float((rows[mixed] * areas).sum() / rows[mixed].sum())


def _check_groups(groups: Tensor, scores: Tensor) -> None:
    if groups.shape != scores.shape or groups.is_floating_point():
        raise DataError(
            "scores and groups don't match",
            got=f"scores {list(scores.shape)}, groups {list(groups.shape)} {groups.dtype}",
            expected="one integer per score",
        )


def _counts(scores: Tensor, positive: Tensor, groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Twice the pairs won by positives (ties count one half), positives, and rows of each group.

    All are [G] int64. Runs of equal scores within a group, found by two sorts, are the steps of the
    group's ROC curve.
    """
    order = scores.argsort()
    order = order[groups[order].argsort(stable=True)]
    scores, positive, groups = scores[order], positive[order].long(), groups[order]
    starts = _changes(groups)  # the first row of each group
    run = (_changes(scores) | starts).cumsum(0) - 1  # of each row, from 0
    group = starts.cumsum(0) - 1
    of_runs = torch.zeros(2, int(run[-1]) + 1 if len(run) else 0, dtype=torch.int64).to(run)
    of_runs[0].index_add_(0, run, positive)
    of_runs[1].index_add_(0, run, 1 - positive)
    group_of_run = group[_changes(run)]
    below = of_runs[1].cumsum(0) - of_runs[1]
    below = below - below[_changes(group_of_run)][group_of_run]  # lower negatives in the group
    wins = of_runs[0] * (2 * below + of_runs[1])
    totals = torch.zeros(3, int(starts.sum()), dtype=torch.int64).to(run)
    totals[0].index_add_(0, group_of_run, wins)
    totals[1].index_add_(0, group, positive)
    totals[2].index_add_(0, group, torch.ones_like(positive))
    return totals[0], totals[1], totals[2]


def _changes(ordered: Tensor) -> Tensor:
    """Mask of the first value of each run of equal values."""
    mask = torch.ones_like(ordered, dtype=torch.bool)
    mask[1:] = ordered[1:] != ordered[:-1]
    return mask
