"""Students of the tiny pool, and what their teachers should say."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emm.data.tables.folds import folds_of
from emm.data.tables.rows import RowTensors
from emm.fusion.student_settings import StudentSettings
from emm.fusion.students import Student, train_student
from emm.fusion.teacher import Lesson, TeacherFiles, lesson_of, open_teacher
from emm.training.fit import predict
from emm.training.store import load_model
from tests.fusion.fusing import CONTEXT
from tests.training.tiny import IDENTITY, fusion, training

HOW = fusion("out-of-fold")
NETWORK = {"embedding_dim": 2, "bottom": [6], "tower": [3], "dropout": 0.0}


def student(
    files: TeacherFiles | None, arguments: dict[str, Any] = NETWORK, **changes: Any
) -> Student:
    values = {"network": "shared_bottom", "learning_rate": 0.02, "weight_decay": 0.0, **changes}
    return Student("small", StudentSettings(**values), arguments, files)


def lesson(components: Path, fused: Path | None = None) -> Lesson:
    teacher = open_teacher(CONTEXT, TeacherFiles(components, fused), HOW, 0)
    return lesson_of(CONTEXT, teacher, HOW)


def trained(out: Path, one: Student, seeds: tuple[int, ...] = (0,)) -> dict[str, Any]:
    train_student(out, CONTEXT, student=one, training=training(seeds=seeds), fusion=HOW)
    found: dict[str, Any] = json.loads((out / "teacher.json").read_text())
    return found


def logits_without_fold(components: Path, task: str, number: int, rows: RowTensors) -> list[Tensor]:
    """The logits of the task's three members, each trained without the fold of its rows."""
    fold, members = folds_of(rows, HOW.folds, 0), components.parent
    found = [torch.empty(len(rows)) for _ in range(3)]
    for left_out in range(HOW.folds):
        run = f"seed-0/fold-{left_out}"
        folders = [members / name / run / task for name in ("narrow", "wide")]
        for values, folder in zip(found, [*folders, members / "gbdt" / run], strict=True):
            model, _ = load_model(folder, IDENTITY)
            column = number if folder.name.startswith("fold") else 0
            own = fold == left_out
            values[own] = predict(model, rows)[own, column]
    return found
