"""What the stage `score` writes for models from ONNX files, for the tiny dataset."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

from emm.core.files import sha256
from emm.data.tables.schema import SPLITS, Split
from emm.outside.member import WEIGHTS, Checked, Join, MemberDescription, Quality, write_member
from emm.outside.onnx import CutOnnx, cut, read_onnx
from emm.outside.scores import save_scores
from emm.outside.settings import OutsideModel
from emm.training.context import TrainingContext
from tests.fusion.scoring import COLUMNS, save_onnx
from tests.training.tiny import SCHEMA, make_context, table

TEST_ROWS = 90


def context() -> TrainingContext:
    """The tiny dataset, with a number of test rows."""
    rows = {"train": 150, "validation": 120, "test": TEST_ROWS}
    splits = {name: Split(count, {}) for name, count in rows.items()}
    return replace(make_context(), schema=replace(SCHEMA, splits=splits))


def raw_of(split: str, context: TrainingContext) -> pl.DataFrame:
    """Raw columns of a split: the dense columns, repeated."""
    rows = {"train": context.train, "validation": context.validation, "test": table(TEST_ROWS, 2)}
    values = rows[split].dense.numpy()
    return pl.DataFrame({f"x[{n}]": values[:, n % 2] * (n + 1) for n in range(COLUMNS)})


def write_scored(
    folder: Path,
    context: TrainingContext,
    entries: Mapping[str, str] = {"risk": "cut", "boost": "opaque"},
) -> dict[str, OutsideModel]:
    """Write a model file and the scores of each entry, which is ``cut``, ``opaque`` or ``unlike``:
    cut, too, at widths that no other network has. ``risk`` is of the first task, others are of the
    second."""
    found = {}
    for seed, (name, kind) in enumerate(entries.items()):
        path = save_onnx(folder / f"{name}.onnx", seed, (7, 4) if kind == "unlike" else (5, 3, 3))
        task = "t0" if name == "risk" else "t1"
        _write(folder / "scores" / name, name, task, path, kind, context)
        found[name] = OutsideModel(task, model=str(path), reference="none")
    return found


def _write(
    folder: Path, name: str, task: str, path: Path, kind: str, context: TrainingContext
) -> None:
    folder.mkdir(parents=True)
    model = read_onnx(path)
    parts = cut(model)
    assert isinstance(parts, CutOnnx)
    rows = {split: raw_of(split, context) for split in SPLITS}
    logits = {s: model.logits([each]).astype(np.float32) for s, each in rows.items()}
    if kind != "opaque":
        scores = {split: parts.scored_input([each]) for split, each in rows.items()}
        save_scores(folder, scores, logits["validation"])
        save_file(parts.weights, folder / WEIGHTS)
        width = parts.description["width"]
        join = Join("cut", None, width, tuple(parts.layers), parts.description)
    else:
        save_scores(folder, logits)
        join = Join("opaque", "a reason", 1)
    checked = Checked(60, 3e-7, 1e-5) if kind == "cut" else None
    write_member(
        folder,
        MemberDescription(
            name=name,
            task=task,
            kind="onnx",
            sha256=sha256(path),
            columns="raw",
            inputs={},
            gives="logit",
            join=join,
            checked=checked,
            quality=Quality("auc", 0.7, 0.71),
        ),
    )


def original_logits(folder: Path, name: str, split: str, context: TrainingContext) -> torch.Tensor:
    """The logits of an entry's model by onnxruntime."""
    return torch.from_numpy(
        read_onnx(folder / f"{name}.onnx").logits([raw_of(split, context)]).astype(np.float32)
    )
