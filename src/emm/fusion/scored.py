"""Scores of a pool's outside members, which no module of a fused model can compute."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from emm.core.errors import ModelFileError
from emm.data.tables.rows import Rows
from emm.fusion.emm import EMM
from emm.fusion.members import Members
from emm.fusion.outside_models import OutsideMembers
from emm.outside.onnx import OnnxLayers
from emm.outside.scores import ORIGINAL, SCORES, load_scores, save_scores
from emm.training.context import TrainingContext
from emm.training.store import load_weights

FOLDER = "scores"
"""Folder of a stored pool with the scores of its members, by name, which all seeds share."""

ROWS = 65_536
"""Rows of which logits are computed together."""

KEPT = ("validation", "test")
"""The splits of which a fused model keeps the scores of its members."""


def scored_columns(
    folder: Path, members: Members, split: str, rows: int, outputs: Sequence[int] = ()
) -> Tensor:
    """The scored columns [N, P] of a split in the order that `EMM` reads them.

    ``folder``: has those of each member in a subfolder; ``outputs``: number of logits of each task,
    () if all have one. Raises ModelFileError if scores are missing, damaged or of other rows.
    """
    widths = {each.name: outputs[each.task] if outputs else 1 for each in members.opaque}
    widths |= {each.name: each.entry for each in members.networks if each.entry}
    columns = [load_scores(folder / name, split, rows, width) for name, width in widths.items()]
    return torch.cat(columns, dim=1) if columns else torch.empty(rows, 0)


def copy_scores(outside: OutsideMembers, scores: Path, out: Path, context: TrainingContext) -> None:
    """Copy the scores of the members that have some from ``scores`` to ``out``.

    The scores of an opaque member are its logits, also if those of its first layers are stored.
    """
    networks = [each.name for each in outside.networks if each.layers]
    for name in (*(each.name for each in outside.opaque), *networks):
        (out / name).mkdir(parents=True)
    for name in (*(each.name for each in outside.opaque if each.layers is None), *networks):
        shutil.copyfile(scores / name / SCORES, out / name / SCORES)
    for each in outside.opaque:
        if each.layers is not None:
            _save_logits(each.layers, scores / each.name, out / each.name, context)


@torch.inference_mode()
def _save_logits(layers: OnnxLayers, folder: Path, out: Path, context: TrainingContext) -> None:
    """Write the logits [N, O] of every split that follow from the scored inputs in ``folder``."""
    splits = {}
    for split, counts in context.schema.splits.items():
        inputs = load_scores(folder, split, counts.rows, layers.scored_width)  # [N, H]
        splits[split] = torch.cat([layers(part) for part in torch.split(inputs, ROWS)]).numpy()
    save_scores(out, splits)


def original_outputs(
    scores: Path, members: Members, context: TrainingContext
) -> dict[str, tuple[Tensor, Tensor]]:
    """By network with a scored input: these inputs [N, H] and the original's outputs [N, O] for
    validation, from what the stage `score` wrote to ``scores``/NAME."""
    rows, outputs = len(context.validation), context.schema.outputs
    return {
        each.name: (
            load_scores(scores / each.name, "validation", rows, each.entry),
            load_scores(scores / each.name, ORIGINAL, rows, outputs[each.task] if outputs else 1),
        )
        for each in members.networks
        if each.entry
    }


def save_scored(folder: Path, splits: Mapping[str, Tensor]) -> None:
    """Write the scored columns [N, P] of splits next to a fused model; nothing without any."""
    if splits:
        save_file({name: each.cpu().contiguous() for name, each in splits.items()}, folder / SCORES)


def load_scored(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """The scored columns [N, P] by split that are stored next to ``model``; {} if it needs none.

    Raises ModelFileError if they are missing or damaged.
    """
    if not (isinstance(model, EMM) and model.scored):
        return {}
    found, width = load_weights(folder / SCORES), sum(model.scored)
    for split, columns in found.items():
        if columns.dtype != torch.float32 or columns.dim() != 2 or columns.shape[1] != width:
            raise ModelFileError(
                f"the scores in {folder} aren't those of the fused model",
                where=folder / SCORES,
                got=f"{list(columns.shape)} of {split}",
                expected=f"[rows, {width}]",
                next_step="dvc checkout to restore them, or dvc repro to train the model again",
            )
    return found


def with_scores(model: nn.Module, scores: Mapping[str, Tensor], split: str, rows: Rows) -> Rows:
    """The ``rows`` of a split with what ``model`` reads besides features.

    ``scores``: see `load_scored`. Raises ModelFileError if the split has none, or other rows.
    """
    if not (isinstance(model, EMM) and model.scored):
        return rows
    if split not in scores or len(scores[split]) != len(rows):
        stored = {name: len(columns) for name, columns in scores.items()}
        raise ModelFileError(
            f"the fused model needs the scores of {', '.join(model.scored_names)} for {split}",
            got=f"scores of {stored or 'no split'}, by number of rows",
            expected=f"scores of the {len(rows):,} rows of {split}",
            next_step="load the model with emm.load from the folder of its training, which keeps "
            f"the scores of {' and '.join(KEPT)}, and predict these splits of the same dataset",
        )
    return rows.with_cached_predictions(scores[split].to(rows.labels.device))
