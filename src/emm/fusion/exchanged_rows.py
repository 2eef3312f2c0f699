"""Additional rows for a student, which its teacher labels: values exchanged between rows of train.

The values of a row and those that it gets come from one fold, and the members that label it were
trained without that fold: they have seen neither.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.folds import folds_of
from emm.data.tables.rows import Rows, RowTensors
from emm.data.tables.soft_targets import with_soft_targets
from emm.fusion.cached_predictions import cached_columns
from emm.fusion.out_of_fold import Shared, out_of_fold_predictions
from emm.fusion.settings import FusionSettings
from emm.fusion.teacher import Teacher
from emm.fusion.trained_models import (
    TrainedNetwork,
    pipeline_networks,
    pipeline_trees,
    pipeline_whole,
)
from emm.nn.bags import attach_bags
from emm.training.context import TrainingContext
from emm.training.fit import predict
from emm.training.folds import fold_runs
from emm.training.seeds import derive


def add_exchanged(
    taught: Rows, context: TrainingContext, teacher: Teacher, fusion: FusionSettings, share: float
) -> RowTensors:
    """The rows that learn from a teacher, and as many more, with a ``share`` of exchanged values.

    The additional rows have no labels, only the teacher's soft targets. Raises DataError if train
    isn't in memory.
    """
    if not isinstance(taught, RowTensors) or taught.distillation is None:
        raise DataError(
            "values are exchanged between rows in memory, and train is streamed",
            where="the student's section",
            got=f"exchanged: {share}",
            next_step="write `exchanged: 0`, or raise memory_gib in params.yaml",
        )
    plain = replace(taught, soft_targets=None, distillation=None)
    more = exchanged(plain, fusion.folds, share, teacher.pool.seed)
    logits = _labelled_by(teacher, more, context, fusion)
    more = with_soft_targets(more, logits, taught.distillation)
    return _together(taught, more)


def exchanged(rows: RowTensors, folds: int, share: float, seed: int) -> RowTensors:
    """The rows [N] with a ``share`` of each column's values from other rows of the same fold."""
    generator = torch.Generator().manual_seed(derive(seed, "exchange"))
    device = rows.labels.device
    fold = folds_of(rows, folds, seed)
    dense, sparse = rows.dense.clone(), rows.sparse.clone()
    for number in range(folds):
        own = (fold == number).nonzero().squeeze(1)
        for new, old in ((dense, rows.dense), (sparse, rows.sparse)):
            for column in range(new.shape[1]):
                chosen = torch.rand(len(own), generator=generator) < share
                source = own[torch.randperm(len(own), generator=generator)][chosen]
                new[own[chosen].to(device), column] = old[source.to(device), column]
    return replace(rows, dense=dense, sparse=sparse)


def _labelled_by(
    teacher: Teacher, rows: RowTensors, context: TrainingContext, fusion: FusionSettings
) -> Tensor:
    """The teacher's logits [N, O], from members that were trained without the fold of the rows."""
    pool, outputs = teacher.pool, context.schema.outputs
    names = {member.name for member in pool.members.all}

    def load(run: str) -> tuple[list[TrainedNetwork], list[Shared]]:
        tasks, identity = context.schema.tasks, context.schema_sha256
        networks = pipeline_networks(teacher.files.networks, tasks, identity, run)
        trees = pipeline_trees(teacher.files.trees, tasks, identity, run)
        whole = pipeline_whole(teacher.files.networks, tasks, identity, run)
        for model in [each.model for each in networks] + [each.model for each in whole]:
            attach_bags(model, context.bags)
        every: list[Shared] = [*trees, *whole]
        shared = [x for x in every if x.name in names]
        return [x for x in networks if x.name in names], shared

    main = f"seed-{pool.seed}"
    runs = [load("/".join((main, *run.names))) for run in fold_runs(fusion) if not run.main]
    levels = pool.members.levels
    found = out_of_fold_predictions(load(main)[0], runs, levels, rows, pool.seed)
    columns = cached_columns(pool.members, found, len(rows), outputs)
    return predict(teacher.model, rows.with_cached_predictions(columns)).clone()


def _together(taught: RowTensors, more: RowTensors) -> RowTensors:
    """Rows with labels, and rows without."""
    unknown = torch.full_like(taught.labels, torch.nan, dtype=torch.float32)
    columns: dict[str, Any] = {
        name: torch.cat([getattr(taught, name), getattr(more, name)])
        for name in ("dense", "sparse", "weights", "soft_targets")
        if getattr(taught, name) is not None
    }
    labels = torch.cat([taught.labels.float(), unknown])
    return replace(taught, **columns, labels=labels, groups=None, partly_labelled=True)
