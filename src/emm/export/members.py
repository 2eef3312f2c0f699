"""Members from outside as a part of an exported model: what they read, and whether they fit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import INTEGER, RAW, TEXT, RawKind
from emm.data.tables.raw import RawSplit
from emm.export.columns import EXACT
from emm.fusion.emm import EMM
from emm.outside.catboost import CatBoostScorer
from emm.outside.onnx import OnnxScorer
from emm.outside.train_columns import KeptColumns
from emm.outside.trees import EncodedScorer, RawScorer
from emm.predict.outside import OutsideScorer

Outside = Mapping[str, OutsideScorer]
"""The members of a fused model that it can't compute itself, by name."""


def raw_of(outside: Outside) -> dict[str, RawKind]:
    """The raw columns that members read."""
    return {name: kind for each in outside.values() for name, kind in each.raw.items()}


def sent_as(outside: Outside) -> dict[str, RawKind]:
    """The same by the kinds in which an exported model takes them: whole numbers are text where
    doubles don't tell those of train apart."""
    found = raw_of(outside)
    for each in outside.values():
        for name, kind in each.raw.items():
            if kind == INTEGER and each.processed is not None and _is_wide(name, each.processed):
                found[name] = TEXT
    return found


def _is_wide(column: str, processed: Path) -> bool:
    train = RawSplit(processed / RAW / "train.parquet", [column])
    return any(abs(each or 0) >= EXACT for each in KeptColumns(train).numbers(column))


def always_given(outside: Outside) -> list[str]:
    """The columns that members read as whole numbers, or as categories of CatBoost, which can't be
    missing: predictions without them are NaN."""
    found = dict[str, None]()
    for each in outside.values():
        wanted = TEXT if isinstance(each.opened.model, CatBoostScorer) else INTEGER
        for name, column in each.opened.matches.inputs.items():
            if _kinds(each.opened.model).get(name) == wanted and column in each.opened.known:
                found[column] = None
    return [*found]


def require_exportable(model: Any, outside: Outside) -> None:
    """Raise ModelFileError for members that can't become a part of an exported model."""
    if not isinstance(model, EMM):
        return
    for name in model.scored_names:
        if name not in outside:
            raise _refused(name, "isn't at hand", "its entry in fusion.pool", None)
        opened = outside[name].opened
        if not isinstance(opened.model, OnnxScorer | EncodedScorer | RawScorer | CatBoostScorer):
            raise _refused(
                name,
                f"is a file of {opened.model.kind}, which no operator of ONNX computes",
                "a model as ONNX, or trees of CatBoost, LightGBM or XGBoost",
                opened.entry.path,
            )


def _kinds(model: Any) -> dict[str, RawKind | None]:
    known = isinstance(model, OnnxScorer | CatBoostScorer)
    inputs: Sequence[Any] = model.inputs if known else ()
    return {each.name: each.kind for each in inputs}


def _refused(name: str, what: str, expected: str, got: object) -> ModelFileError:
    return ModelFileError(
        f"the fused model can't be exported: its member {name} {what}",
        where=f"fusion.pool.{name}",
        got=got,
        expected=expected,
        next_step="export the member as ONNX with what it computes first, and add it again; or "
        "fuse without it: `members` in the fused model's section",
    )
