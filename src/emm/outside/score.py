"""The stage `score`: check an outside model, and score the rows of every split with it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.torch import save_file

from emm.core.errors import ModelFileError
from emm.core.files import sha256
from emm.core.progress import progress, say
from emm.data.tables.schema import REGRESSION, SPLITS, Schema
from emm.outside.check import (
    Opened,
    check_reference,
    gives_of,
    open_entry,
    require_inputs,
    train_columns,
    with_gives,
)
from emm.outside.logits import Values, count_extreme, to_logits
from emm.outside.member import (
    WEIGHTS,
    Join,
    MemberDescription,
    Quality,
    write_member,
)
from emm.outside.open import join_of
from emm.outside.quality import quality
from emm.outside.scorer import CutNetwork, Opaque, Torch
from emm.outside.scores import save_scores
from emm.outside.settings import Gives, OutsideModel
from emm.outside.typed import model_batches

LABELLED = ("validation", "train")
"""The splits whose labels are read: never those of test."""

Scorer = Callable[[Iterator[pl.DataFrame]], NDArray[np.floating[Any]]]


def score(
    out: Path, name: str, entry: OutsideModel, processed: Path, schema: Schema, where: str
) -> MemberDescription:
    """Check the model of an entry and write member.json to ``out``, with scores unless it runs in
    torch on the processed columns.

    ``where``: of the entry, for messages. Raises ParamsError, DataError or ModelFileError if the
    model can't be used as the entry says, or doesn't predict what its original does.
    """
    opened = open_entry(name, entry, processed, schema, where)
    require_inputs(opened, where)
    logits, gives, how = _scored(opened, processed)
    checked = check_reference(opened, train_columns(opened, processed), gives)
    opened = with_gives(opened, gives)
    join = join_of(opened.model, opened.context)
    notes = [*opened.model.said, *opened.matches.said, *([how] if how else [])]
    extreme = sum(count_extreme(each) for each in logits.values()) if gives != "value" else 0
    if extreme:
        notes.append(f"{extreme:,} rows have a probability of 0 or 1, nearer than 1e-7")
    member = MemberDescription(
        name=name,
        task=entry.task,
        kind=opened.model.kind,
        sha256=sha256(Path(entry.path)),
        columns=opened.model.columns,
        inputs=opened.matches.inputs,
        gives=gives,
        join=_write(out, join, opened, gives, logits, processed),
        checked=checked,
        quality=_quality(opened, logits, processed),
        said=tuple(notes),
    )
    write_member(out, member)
    for note in (*notes, *_summary(member)):
        say(f"{name}: {note}")
    return member


def _summary(member: MemberDescription) -> Iterator[str]:
    """What the checks found, in words."""
    checked, found = member.checked, member.quality
    if checked is None:
        yield "unchecked, as it has no reference"
    else:
        yield (
            f"within {checked.largest_difference:.1g} of the original's predictions of "
            f"{checked.rows:,} rows"
        )
    if found is not None:
        measure = "AUC" if found.metric == "auc" else "R²"
        scores = {"validation": found.validation, "train": found.train}
        shown = (f"{k} {'undefined' if v is None else f'{v:.4f}'}" for k, v in scores.items())
        yield f"{measure}: {', '.join(shown)}"


def _scored(opened: Opened, processed: Path) -> tuple[dict[str, Values], Gives, str | None]:
    """The logits of the labelled splits, what the model gives, and a sentence about that."""
    if has_logits(opened):
        found = {split: _predicted(opened, processed, split, exact=True) for split in LABELLED}
        return found, "probability", None
    predictions = {split: _predicted(opened, processed, split) for split in LABELLED}
    gives, how = gives_of(opened, np.concatenate([*predictions.values()]))
    kind, target = opened.context.kind, opened.context.target
    found = {split: to_logits(each, gives, kind, target) for split, each in predictions.items()}
    return found, gives, how


def has_logits(opened: Opened) -> bool:
    """Whether the model has the exact logits of what its file proves to be probabilities."""
    model, entry = opened.model, opened.entry
    return entry.gives is None and model.gives == "probability" and hasattr(model, "logits")


def _write(
    out: Path,
    join: Opaque | CutNetwork | Torch,
    opened: Opened,
    gives: Gives,
    logits: dict[str, Values],
    processed: Path,
) -> Join:
    """Write the scores that the model joins with, and the weights of its layers if it is cut."""
    if isinstance(join, Torch):
        return Join("torch")
    if isinstance(join, Opaque):
        exact, context = has_logits(opened), opened.context
        test = _predicted(opened, processed, "test", exact=exact)
        test = test if exact else to_logits(test, gives, context.kind, context.target)
        _save(out, logits | {"test": test})
        return Join("opaque", join.reason, opened.context.outputs)
    inputs = {split: _run(opened, join.scored_input, processed, split) for split in SPLITS}
    _save(out, inputs, logits["validation"])
    save_file({key: each.contiguous() for key, each in join.weights.items()}, out / WEIGHTS)
    width = inputs["train"].shape[1]
    description = json.loads(json.dumps(join.description))  # as it will be read
    return Join("cut", None, width, tuple(join.layers), description)


def _save(out: Path, scores: dict[str, Values], original: Values | None = None) -> None:
    kept = None if original is None else original.astype(np.float32)
    save_scores(out, {split: each.astype(np.float32) for split, each in scores.items()}, kept)


def _predicted(opened: Opened, processed: Path, split: str, *, exact: bool = False) -> Values:
    """The predictions [N, C] for the rows of a split, or their ``exact`` logits.

    Raises ModelFileError for infinite ones and for another number of columns.
    """
    model: Any = opened.model
    scorer: Scorer = model.logits if exact else model.predict
    found = _run(opened, scorer, processed, split)
    wanted = opened.context.outputs
    if found.ndim != 2 or found.shape[1] != wanted:
        raise ModelFileError(
            f"{opened.name} doesn't give one column per "
            + ("row" if wanted == 1 else f"class of {opened.context.task}"),
            where=opened.entry.path,
            got=list(found.shape),
            expected=f"[rows, {wanted}]",
            next_step="name another output, or a model of this task",
        )
    wrong = ~np.isfinite(found).all(axis=1)
    if wrong.any():
        raise ModelFileError(
            f"{opened.name} gives no number for some rows of {split}",
            where=opened.entry.path,
            got=f"{int(wrong.sum()):,} of {len(found):,} rows, the first is row "
            f"{int(wrong.argmax()) + 1}",
            expected="a number for every row",
            next_step="give it what it knows a missing value as, by an expression under `columns` "
            "such as COALESCE(column, -1)",
        )
    return found


def _run(opened: Opened, scorer: Scorer, processed: Path, split: str) -> Values:
    rows = opened.split(processed, split)
    with progress(f"Scoring {split}", len(rows)) as report:

        def batches() -> Iterator[pl.DataFrame]:
            done = 0
            for batch in model_batches(rows, opened.model.inputs, opened.matches.inputs):
                done += len(batch)
                report(done)
                yield batch

        found = scorer(batches())
    if len(found) != len(rows):
        raise ValueError(f"{opened.name}: {len(found)} predictions of {len(rows)} rows")
    return found


def _quality(opened: Opened, logits: dict[str, Values], processed: Path) -> Quality:
    kind, task = opened.context.kind, opened.context.task
    found = {split: quality(kind, logits[split], processed, split, task) for split in LABELLED}
    metric: Literal["auc", "r2"] = "r2" if kind == REGRESSION else "auc"
    return Quality(metric, found["validation"], found["train"])
