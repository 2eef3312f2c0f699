"""Fitting of the variant `stacked` on the pool's predictions for the rows of train."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from emm.core.files import write_json
from emm.core.progress import say
from emm.data.tables.folds import folds_of
from emm.data.tables.rows import Rows, RowTensors
from emm.data.tables.schema import BINARY, REGRESSION
from emm.fusion.emm import EMM
from emm.fusion.settings import StackingSettings
from emm.fusion.stacking.ladder import Stack, stack
from emm.fusion.stacking.module import StackedFusion, StackShape, others_of
from emm.fusion.stacking.rows import TaskRows
from emm.nn.inputs import Inputs

FORMAT = 1
STACKING = "stacking.json"
"""File in the folder of a stacked model: which steps were tried, and which are taken."""

MOST_ROWS = 500_000
"""Rows of train that are read; of more, so many are taken, spread evenly."""
BATCH = 16_384
FEWEST = 10
"""Rows of each class, and rows of a regression, that a fit without a fold must have."""


def fit_stacks(
    model: EMM, train: Rows, inputs: Inputs, settings: StackingSettings, folds: int, seed: int
) -> list[Stack | None]:
    """The stacking of each task; None where there are too few labelled rows for any.

    ``model``: the plain average of the pool; ``train``: with the predictions of its members;
    ``folds``: of the cross-validation.
    """
    device = train.labels.device
    count = min(len(train), MOST_ROWS)
    chosen = torch.linspace(0, len(train) - 1, count, dtype=torch.float64).round().long()
    fold = folds_of(train, folds, seed)[chosen]
    groups = chosen if train.groups is None else train.groups.cpu()[chosen].long()
    with torch.inference_mode():
        batches = [*_batches(model, train.rows(chosen.to(device)))]
    rows, members = _gathered(batches)
    found: list[Stack | None] = []
    for task, logits in enumerate(members):
        others = others_of(members, task) if settings.other_tasks else logits.new_zeros(count, 0)
        own = TaskRows(
            logits=logits,
            dense=rows.dense,
            sparse=rows.sparse,
            others=others,
            labels=rows.labels[:, task].float(),
            kind=train.kinds[task] if train.kinds else BINARY,
            folds=fold,
            groups=groups,
            weights=rows.weights,
        )
        own = own.at(~own.labels.isnan())
        found.append(stack(own, inputs, settings) if _is_enough(own, folds) else None)
    return found


def shape_of(found: Stack | None, settings: StackingSettings) -> StackShape:
    """The shape by which the stacking of a task is rebuilt."""
    if found is None:
        return StackShape()
    trees = None if found.residual is None else found.residual.sizes()
    return StackShape(found.combination.features is not None, trees, settings.other_tasks)


def load_stacks(model: EMM, stacks: Sequence[Stack | None]) -> None:
    """Put what was fitted into a model of its shape."""
    fusion = model.fusion
    assert isinstance(fusion, StackedFusion)
    for task, found in enumerate(stacks):
        if found is None:
            continue
        fusion.combinations[task].load_state_dict(found.combination.state_dict())
        if found.residual is not None:
            fusion.residuals[task].load_state_dict(found.residual.state_dict())


def say_stacks(title: str, tasks: Sequence[str], stacks: Sequence[Stack | None]) -> None:
    """Print which steps were taken, and by how much each helped."""
    for task, found in zip(tasks, stacks, strict=True):
        for sentence in _sentences(found):
            say(f"{title}: {task}: {sentence}")


def save_stacks(
    folder: Path, tasks: Sequence[str], found: Mapping[int, Sequence[Stack | None]]
) -> None:
    """Write which steps were tried to ``folder``; ``found``: the stacking of each task, by seed."""
    runs = [
        {
            "seed": seed,
            "steps": {
                task: [asdict(step) for step in each.steps] if each else []
                for task, each in zip(tasks, stacks, strict=True)
            },
        }
        for seed, stacks in found.items()
    ]
    write_json(folder / STACKING, {"format": FORMAT, "runs": runs})


def _sentences(found: Stack | None) -> Iterator[str]:
    if found is None:
        yield "too few labelled rows to learn anything: the average of the pool"
        return
    for step in found.steps[1:]:
        verdict = "taken" if step.taken else "left out"
        yield (
            f"{step.step} {verdict}: loss in cross-validation lower by {step.gain:.2g}, "
            f"standard error {step.error:.2g}"
        )
    if not any(step.taken for step in found.steps[1:]):
        yield "the average of the pool, calibrated"


def _batches(model: EMM, rows: Rows) -> Iterator[tuple[RowTensors, list[Tensor]]]:
    """Batches of rows and the logits of each task's members for them."""
    model.eval()
    reader = _MemberLogits(model)
    for batch in rows.in_order(BATCH):
        yield batch, reader(*batch.inputs)


def _gathered(
    batches: Sequence[tuple[RowTensors, list[Tensor]]],
) -> tuple[RowTensors, list[Tensor]]:
    """All batches as one, in main memory."""
    rows = [batch for batch, _ in batches]
    weights = [each.weights for each in rows if each.weights is not None]
    together = RowTensors(
        _joined([each.dense for each in rows]),
        _joined([each.sparse for each in rows]),
        _joined([each.labels for each in rows]),
        weights=_joined(weights) if weights else None,
    )
    columns = zip(*(logits for _, logits in batches), strict=True)
    return together, [_joined(each) for each in columns]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """A copy outside of inference mode: gradients can't flow around its tensors."""
    return torch.cat(list(parts)).cpu().clone()


class _MemberLogits(nn.Module):
    """The logits of each task's members, as the fusion of a stacked model reads them."""

    def __init__(self, model: EMM) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        fusion = self.model.fusion
        assert isinstance(fusion, StackedFusion)
        _, starts, components, shares, offsets = self.model.prepared(*inputs)
        return fusion.members.logits(starts, components, shares, offsets)


def _is_enough(rows: TaskRows, folds: int) -> bool:
    """Whether a fit without any fold has enough rows of each kind."""
    for fold in range(folds):
        labels = rows.fold(fold, inside=False).labels
        counts = [len(labels)] if rows.kind == REGRESSION else _counts(labels, rows)
        if min(counts) < FEWEST:
            return False
    return bool((torch.bincount(rows.folds, minlength=folds) > 0).all())


def _counts(labels: Tensor, rows: TaskRows) -> list[int]:
    classes = 2 if rows.kind == BINARY else rows.outputs
    found: list[int] = torch.bincount(labels.long(), minlength=classes).tolist()
    return found
