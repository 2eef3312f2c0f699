"""A student's teacher: what a pool, or a model fused from it, predicts for rows it hasn't seen.

Soft targets of memorised rows teach what was memorised. So the prediction for a row of train comes
from members that were trained without the row's fold, as those on which fused models learn.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from emm.core.errors import ModelFileError
from emm.core.progress import say
from emm.data.tables.rows import Rows
from emm.fusion.emm import EMM
from emm.fusion.fuse import all_arguments, fusion_rows
from emm.fusion.member_facts import MemberFacts, load_facts, with_shares
from emm.fusion.pool import Pool, load_pool
from emm.fusion.settings import FusedSettings, FusionSettings, Start
from emm.fusion.shares import mean_shares
from emm.fusion.start import load_pool_into
from emm.metrics.tasks import scores
from emm.nn.bags import attach_bags
from emm.outside.factories import trusting
from emm.training.context import TrainingContext
from emm.training.fit import predict
from emm.training.store import load_model

SEEN = 0.005
"""A teacher whose score on train is above that on validation by more than this has seen train."""


@dataclass(frozen=True)
class TeacherFiles:
    """Where a teacher is stored.

    ``components``: the folder that the stage `decompose` wrote; ``fused``: that of a fused model
    with all its seeds, None for the mean of the pool; ``networks``, ``trees``: those of the
    pipeline's own members, by name, which only exchanged rows need.
    """

    components: Path
    fused: Path | None = None
    networks: Mapping[str, Path] = field(default_factory=dict)
    trees: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Teacher:
    """The teacher of one seed, and the pool of its members."""

    files: TeacherFiles
    model: EMM
    pool: Pool


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of train, and how good it is.

    Attributes:
        logits: [N, O], its predictions for the rows of train.
        train: the score of each task of these.
        validation: the same of its predictions for validation.
        outside: its members from outside, which may have seen rows of train.
        facts: about its members, if some are from outside.
    """

    logits: Tensor
    train: tuple[float, ...]
    validation: tuple[float, ...]
    outside: tuple[str, ...] = ()
    facts: tuple[MemberFacts, ...] = ()


def open_teacher(
    context: TrainingContext, files: TeacherFiles, fusion: FusionSettings, seed: int
) -> Teacher:
    """The teacher of one seed. Raises ModelFileError if its files don't fit."""
    pool = load_pool(files.components / f"seed-{seed}", context.schema_sha256)
    with trusting(fusion.factories):
        if files.fused is None:
            model = _mean_of(context, pool)
        else:
            model, pool = _fused(context, files.fused / f"seed-{seed}", pool)
    attach_bags(model, context.bags)
    return Teacher(files, model.to(context.device).eval(), pool)


def lesson_of(context: TrainingContext, teacher: Teacher, fusion: FusionSettings) -> Lesson:
    """What a teacher says of train. Raises ModelFileError if the cached predictions don't fit."""
    model, pool = teacher.model, teacher.pool
    folder = teacher.files.components / f"seed-{pool.seed}"
    train, validation = fusion_rows(context, folder, pool, fusion, FusedSettings())
    logits = predict(model, train)
    facts = load_facts(folder)
    return Lesson(
        logits.clone(),  # gradients can't flow around a tensor of inference mode
        _scores(logits, train),
        _scores(predict(model, validation), validation),
        tuple(member.name for member in pool.members.all if member.name in fusion.pool),
        with_shares(facts, mean_shares(model, pool.members, validation)) if facts else (),
    )


def say_lesson(name: str, seed: int, lesson: Lesson, tasks: Sequence[str]) -> None:
    """Print how good a teacher is, and warn of one that may have seen the rows."""
    for task, train, validation in zip(tasks, lesson.train, lesson.validation, strict=True):
        say(
            f"{name} seed {seed}: teacher of {task} scores {train:.5f} on train, for rows that its "
            f"members of the pipeline haven't seen, and {validation:.5f} on validation"
        )
        if train - validation > SEEN:
            how = f" through {', '.join(lesson.outside)}" if lesson.outside else ""
            say(
                f"warning: the teacher of {name} may have seen rows of train{how}: its score for "
                f"{task} there is better by {train - validation:.4f}"
            )
    if lesson.outside:
        say(
            f"warning: {', '.join(lesson.outside)} can't be trained without a fold: the soft "
            f"targets of {name} use their predictions as they are"
        )


def _mean_of(context: TrainingContext, pool: Pool) -> EMM:
    """The plain average of a pool."""
    tasks = len(context.schema.tasks)
    arguments = all_arguments(context, pool, {"variant": "ensemble"})
    model = EMM(context.inputs, tasks, **arguments)
    load_pool_into(model, pool, Start())
    return model


def _fused(context: TrainingContext, folder: Path, pool: Pool) -> tuple[EMM, Pool]:
    """A stored fused model, and the pool of its members."""
    model, about = load_model(folder, context.schema_sha256, context.inputs)
    described: Any = about.arguments.get("pool")
    if not isinstance(model, EMM) or not isinstance(described, dict):
        raise _refused(folder, "is no fused model", about.architecture, "emm")
    kinds = ("networks", "trees", "opaque")
    own = pool.select([member["name"] for kind in kinds for member in described.get(kind, ())])
    if json.dumps(own.describe(), sort_keys=True) != json.dumps(described, sort_keys=True):
        raise _refused(folder, "wasn't fused from the pool as it is", None, None)
    return model, own


def _scores(predictions: Tensor, rows: Rows) -> tuple[float, ...]:
    return scores(predictions, rows.labels, rows.kinds, rows.outputs, rows.partly_labelled)


def _refused(folder: Path, what: str, got: object, expected: object) -> ModelFileError:
    return ModelFileError(
        f"the teacher in {folder} {what}",
        where=folder,
        got=got,
        expected=expected,
        next_step="dvc repro, which trains the teacher first",
    )
