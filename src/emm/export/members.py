"""Members from outside as a part of an exported model: what they read, and whether they fit."""

from collections.abc import Mapping, Sequence
from typing import Any

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import RawKind
from emm.fusion.emm import EMM
from emm.outside.onnx import OnnxScorer
from emm.outside.trees import EncodedScorer, RawScorer
from emm.predict.outside import OutsideScorer

Outside = Mapping[str, OutsideScorer]
"""The members of a fused model that it can't compute itself, by name."""


def raw_of(outside: Outside) -> dict[str, RawKind]:
    """The raw columns that members read."""
    return {name: kind for each in outside.values() for name, kind in each.raw.items()}


def always_given(outside: Outside) -> list[str]:
    """The columns that members read as whole numbers, which can't be missing: predictions without
    them are NaN."""
    found = dict[str, None]()
    for each in outside.values():
        for name, column in each.opened.matches.inputs.items():
            if _kinds(each.opened.model).get(name) == "integer":
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
        if not isinstance(opened.model, OnnxScorer | EncodedScorer | RawScorer):
            raise _refused(
                name,
                f"is a file of {opened.model.kind}, which no operator of ONNX computes",
                "a model as ONNX, or trees of LightGBM or XGBoost",
                opened.entry.path,
            )
        for given, column in opened.matches.inputs.items():
            if column not in opened.known:
                raise _refused(
                    name,
                    f"reads an SQL expression as its input {given!r}, which ONNX has no operator "
                    "for",
                    "a column",
                    column,
                )


def _kinds(model: Any) -> dict[str, RawKind | None]:
    inputs: Sequence[Any] = model.inputs if isinstance(model, OnnxScorer) else ()
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
