"""Write a row of the table as a folder that runs without this project, and check it."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.core.files import write_text
from emm.data.tables.inputs import INPUTS, write_inputs
from emm.data.tables.schema import Schema, schema_hash
from emm.export.about import about
from emm.export.card import card
from emm.export.columns import GraphInput, GraphOutput, Signature
from emm.export.expected import Expected, expected_of
from emm.export.golden import GOLDEN_ROWS, golden_rows
from emm.export.graph import build_model, model_signature
from emm.export.made_of import members_of
from emm.export.members import Outside, always_given, raw_of
from emm.export.readable import readable_rows
from emm.export.row import Row
from emm.export.signature import (
    FORMAT,
    GOLDEN,
    LOGIT_TOLERANCE,
    PROBABILITY_TOLERANCE,
    BundleSignature,
    InputTensor,
    OutputTensor,
    TaskSignature,
    files_of,
    write_signature,
)
from emm.export.stored import as_one
from emm.export.triton import CONFIG, VERSION, triton_config
from emm.export.verify import Verified, verify
from emm.export.write import write_model
from emm.predict.encoder import Encoder, open_encoder
from emm.predict.outside import OutsideScorer, open_members
from emm.training.store import DESCRIPTION, WEIGHTS, Stored, load_models

CARD = "README.md"
_MORE = 4
"""How many times as many golden rows are drawn where some have no predictions."""


@dataclass(frozen=True)
class Exported:
    """What is to be said of an export: the check, and columns that may identify people."""

    verified: Verified
    identifiers: Sequence[str]


def write_bundle(out: Path, row: Row) -> Exported:
    """Write the bundle of ``row`` to the empty folder ``out``, which the caller makes appear.

    Raises ModelFileError if onnxruntime doesn't predict what the project does.
    """
    encoder = open_encoder(row.processed)
    stored = load_models(row.models, encoder.schema, schema_hash(row.processed / "schema.json"))
    model, tasks, outside = as_one(stored), encoder.schema.tasks, _outside(row, encoder, stored)
    how: Any = {"given_click": encoder.inputs.given_click, "outside": outside}
    files = write_model(build_model(model, tasks, encoder, **how), out)
    tensors = model_signature(tasks, encoder, outside)

    def predict(rows: pl.DataFrame) -> Expected:
        return expected_of(model, tasks, encoder, rows, tensors.outputs, **how)

    golden = _golden(encoder, outside, predict)
    verified = verify(out / files[0], model, tasks, encoder, golden, **how)
    kept = stored_golden(golden, tensors, predict(golden), trims=encoder.inputs.trims)
    kept.write_parquet(out / GOLDEN)
    _copy_sources(out, row, encoder, stored)
    signature = _signature(row, encoder.schema, tensors)
    write_text(out / CONFIG, triton_config(signature))
    _link(out, files)
    known = about(row, signature, stored, encoder, model)
    write_text(out / CARD, card(known))
    write_signature(_with_files(signature, out), out)
    return Exported(verified, [*known.identifiers])


def _golden(
    encoder: Encoder, outside: Outside, predict: Callable[[pl.DataFrame], Expected]
) -> pl.DataFrame:
    """Golden rows that the model has predictions for.

    Members from outside may have none for rows with a missing value, as they had none in training.
    """
    draw = partial(golden_rows, encoder, others=raw_of(outside), given=always_given(outside))
    rows = readable_rows(encoder, draw(), outside)
    expected = predict(rows)
    few = len(rows) < GOLDEN_ROWS or (outside and not _usable(expected).all())
    if few or expected.undecided.any():
        rows = readable_rows(encoder, draw(_MORE * GOLDEN_ROWS), outside)
        rows = rows.filter(_usable(predict(rows))).head(GOLDEN_ROWS)
    return rows


def _usable(expected: Expected) -> NDArray[np.bool_]:
    """Which rows have all predictions, and none that rounding decides, [N]."""
    found = np.concatenate([*expected.outputs.values()], axis=1)
    every: NDArray[np.bool_] = np.isfinite(found).all(axis=1) & ~expected.undecided
    return every


def stored_golden(
    rows: pl.DataFrame, tensors: Signature, expected: Expected, *, trims: bool
) -> pl.DataFrame:
    """Golden rows in the form of the tensors, and the project's outputs.

    Missing values are null, and text has no blanks around it where these are no part of it, so that
    the rows are a reference of the model, too.
    """
    columns = [_in_form(rows[each.column], each, trims=trims) for each in tensors.inputs]
    outputs = [_column(each, expected.outputs[each.name]) for each in tensors.outputs]
    return pl.DataFrame([*columns, *outputs])


def _outside(row: Row, encoder: Encoder, stored: Sequence[Stored]) -> dict[str, OutsideScorer]:
    """The members of a fused model that it can't compute itself, by name."""
    found = dict[str, OutsideScorer]()
    for each in stored:
        members = members_of(each.description)
        if members is not None and members.scored_names:
            found |= open_members(members, row.pool, row.processed, encoder.schema)
    return found


def _in_form(column: pl.Series, tensor: GraphInput, *, trims: bool) -> pl.Series:
    if tensor.items:
        return column.cast(pl.List(pl.String))
    if tensor.type == "double":
        return column.cast(pl.Float64)
    texts = column.cast(pl.String)
    return texts.str.strip_chars() if trims else texts


def _column(output: GraphOutput, values: np.ndarray) -> pl.Series:
    """Predictions [N, width] as a column, of lists for several classes."""
    dtype = pl.Float64 if output.type == "float64" else pl.Float32
    if output.kind != "classes":
        return pl.Series(output.name, values[:, 0], dtype)
    return pl.Series(output.name, values.tolist(), pl.List(dtype))


def _copy_sources(out: Path, row: Row, encoder: Encoder, stored: Sequence[Stored]) -> None:
    """The encoder's files, and the stored models; single-task ones in folders of their own."""
    vocabularies = Path(encoder.schema.vocabularies["file"]).name
    for name in ("schema.json", vocabularies):
        shutil.copyfile(row.processed / name, out / name)
    write_inputs(encoder.inputs, out / INPUTS)
    for each in stored:
        folder = out / each.folder.relative_to(row.models)
        folder.mkdir(exist_ok=True)
        for name in (DESCRIPTION, WEIGHTS):
            shutil.copyfile(each.folder / name, folder / name)


def _link(out: Path, files: Sequence[str]) -> None:
    """The model's files where Triton looks for them, as links where the disk can."""
    folder = out / VERSION
    folder.mkdir(exist_ok=True)
    for name in files:
        try:
            os.link(out / name, folder / name)
        except OSError:
            shutil.copyfile(out / name, folder / name)


def _signature(row: Row, schema: Schema, tensors: Signature) -> BundleSignature:
    source = {"dataset": row.dataset, "recipe": row.recipe, "model": row.model}
    return BundleSignature(
        format=FORMAT,
        name=row.name,
        source={**source, "seed": str(row.seed)},
        tasks=tuple(_task(schema, task) for task in schema.tasks),
        funnel=schema.funnel,
        inputs=tuple(
            InputTensor(each.name, each.column, each.role, each.type, each.missing)
            for each in tensors.inputs
        ),
        outputs=tuple(_output(schema, each) for each in tensors.outputs),
        files={},
    )


def _task(schema: Schema, task: str) -> TaskSignature:
    target = schema.targets.get(task)
    mean, std = (target.mean, target.std) if target else (None, None)
    return TaskSignature(task, schema.kind(task), schema.classes.get(task, ()), mean, std)


def _output(schema: Schema, each: GraphOutput) -> OutputTensor:
    tolerance = PROBABILITY_TOLERANCE if each.gives == "probability" else LOGIT_TOLERANCE
    if each.gives == "value":
        tolerance *= schema.targets[each.tasks[0]].std
    form = each.name, each.tasks, each.kind, each.gives, each.type
    return OutputTensor(*form, each.width, each.step, tolerance)


def _with_files(signature: BundleSignature, out: Path) -> BundleSignature:
    return BundleSignature(**{**vars(signature), "files": files_of(out)})
