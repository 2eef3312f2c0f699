"""LightGBM and XGBoost models, read by this project's own readers, on raw or encoded columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from emm.data.tables.kinds import INTEGER, NUMBER, TEXT
from emm.data.tables.schema import REGRESSION
from emm.outside.evidence import decide, traits_of
from emm.outside.raw_trees import RawTrees, on_raw_columns
from emm.outside.raw_values import Categories, Known
from emm.outside.scorer import Batches, Context, ModelInput, Opaque, Torch
from emm.outside.settings import Gives, OutsideModel
from emm.trees.forest import TreeEnsemble
from emm.trees.native.files import damaged, unsupported
from emm.trees.native.formats import recognise
from emm.trees.native.load import parse_native_trees
from emm.trees.native.nodes import NativeTrees
from emm.trees.native.processed import feature_columns, on_processed_columns
from emm.trees.native.xgboost_features import refuse_unlisted

RAW_JOIN = Opaque("trees on raw columns are scored once for all rows, outside of the fused model")


@dataclass(frozen=True)
class RawScorer:
    """Trees on raw columns, as an `OutsideScorer`. One input for each feature that they use."""

    kind: str
    inputs: Sequence[ModelInput]
    gives: Gives
    said: Sequence[str]
    file: Path
    trees: RawTrees
    known: Known
    columns: Literal["raw"] = "raw"
    join: Opaque = RAW_JOIN

    def predict(self, batches: Batches) -> NDArray[np.float64]:
        """The logits, or values, [N, outputs] of batches whose columns are ``inputs``."""
        found = [
            self.trees.logits(dict(zip(self.trees.features, batch.get_columns(), strict=True)))
            for batch in batches
        ]
        self.known.check(self.file)
        return np.concatenate([np.zeros((0, self.trees.native.outputs)), *found])


@dataclass(frozen=True)
class EncodedScorer:
    """Trees on encoded columns: see `OutsideScorer`. ``positions``: column of each input."""

    kind: str
    inputs: Sequence[ModelInput]
    gives: Gives
    said: Sequence[str]
    join: Opaque | Torch
    trees: TreeEnsemble
    positions: Sequence[int]
    context: Context
    columns: Literal["encoded"] = "encoded"

    def predict(self, batches: Batches) -> NDArray[np.float64]:
        """The logits, or values, [N, outputs] of batches whose columns are ``inputs``."""
        found = [self._logits(batch) for batch in batches]
        return np.concatenate([np.zeros((0, self.trees.outputs)), *found])

    def _logits(self, batch: pl.DataFrame) -> NDArray[np.float64]:
        given = self.context.inputs
        dense = torch.zeros(len(batch), given.dense)
        sparse = torch.zeros(len(batch), len(given.cardinalities), dtype=torch.int32)
        for column, position in zip(batch.get_columns(), self.positions, strict=True):
            if position < given.dense:
                values = column.cast(pl.Float32).fill_null(float("nan"))
                dense[:, position] = torch.from_numpy(values.to_numpy().copy())
            else:
                ids = column.cast(pl.Int32).fill_null(0).to_numpy()
                sparse[:, position - given.dense] = torch.from_numpy(ids.copy())
        logits = self.trees.decision(dense, sparse)
        return logits.numpy().reshape(len(batch), self.trees.outputs)


def open_model(name: str, entry: OutsideModel, context: Context) -> RawScorer | EncodedScorer:
    """Read the trees of an entry's file.

    Raises ModelFileError if it is damaged, predicts something else than the task, or doesn't fit
    the columns that the entry names; or if neither the entry nor the file says which these are.
    """
    file = Path(entry.model or "")
    regression = context.kind == REGRESSION
    native = parse_native_trees(file, context.outputs, "regression" if regression else "classifier")
    columns, reason = decide(traits_of(native), entry, context)
    said = [*filter(None, [reason]), *native.notes]
    kind = str(recognise(file))
    gives: Gives = "value" if regression else "logit"
    if columns == "raw":
        return _raw(native, entry, context, kind, gives, said)
    return _encoded(native, context, kind, gives, said)


def _raw(
    native: NativeTrees,
    entry: OutsideModel,
    context: Context,
    kind: str,
    gives: Gives,
    said: Sequence[str],
) -> RawScorer:
    refuse_unlisted(native, entry.expressions)
    known = Known()
    names = [_raw_name(native, number, entry, context) for number in range(len(native.features))]
    trees = on_raw_columns(native, names, known)
    _check_used(native, [names[feature] for feature in trees.features])
    for feature in trees.features:
        _check_named(native, names[feature], entry, context)
    inputs = [ModelInput(names[feature], None) for feature in trees.features]
    numeric = [*trees.numbers.values(), *trees.codes.values()]
    as_numbers = [
        f"the text of {name!r} is read as numbers"
        for name in (each.name for each in numeric if not isinstance(each, Categories))
        if context.raw.get(name) == TEXT and name not in entry.expressions
    ]
    return RawScorer(kind, inputs, gives, [*said, *as_numbers], native.file, trees, known)


def _raw_name(native: NativeTrees, number: int, entry: OutsideModel, context: Context) -> str:
    """The name of an input: that of the feature, or of the raw column that the file calls so.

    LightGBM writes underscores for blanks. Raises ModelFileError if two columns may be meant.
    """
    name = native.features[number].name or f"f{number}"
    columns = tuple(context.raw)
    alike = [
        column
        for column, written in zip(columns, native.names_of(columns), strict=True)
        if written == name
    ]
    if name in entry.expressions or not alike:
        return name
    if len(alike) == 1:
        return alike[0]
    raise unsupported(
        native.file,
        f"reads a feature that may be any of several columns: {name!r}",
        got=", ".join(map(repr, alike)),
        expected="one column; LightGBM writes underscores for blanks",
        next_step=f"say which: columns: {{{name}: ...}}",
    )


def _check_used(native: NativeTrees, names: Sequence[str]) -> None:
    """Raise ModelFileError if two features that are used have one name, or if none is used."""
    if len(set(names)) < len(names):
        raise damaged(native.file, "two features have the same name")
    if not names:
        raise unsupported(
            native.file,
            "has trees without any split: it gives every row the same output",
            got="no split",
            expected="at least one",
            next_step="train it on columns that tell its rows apart",
        )


def _check_named(native: NativeTrees, name: str, entry: OutsideModel, context: Context) -> None:
    """Raise ModelFileError for a feature without a name that the entry gives no column for."""
    number = name.removeprefix("Column_").removeprefix("f")
    if number.isdigit() and name not in entry.expressions and name not in context.raw:
        raise unsupported(
            native.file,
            "has features without names",
            got=f"{name!r}, which no raw column is called",
            expected="a raw column for each feature",
            next_step=f"write columns: {{{name}: the name of its raw column, ...}}, or train on a "
            "data frame",
        )


def _encoded(
    native: NativeTrees, context: Context, kind: str, gives: Gives, said: Sequence[str]
) -> EncodedScorer:
    names, dense = context.encoded, context.inputs.dense
    written = native.names_of(names)
    positions = sorted(set(feature_columns(native, names, written).tolist()))
    return EncodedScorer(
        kind,
        [ModelInput(names[at], NUMBER if at < dense else INTEGER) for at in positions],
        gives,
        said,
        Torch() if gives == "logit" else Opaque("a regression's trees give values, not logits"),
        on_processed_columns(native, context.inputs, names, written),
        positions,
        context,
    )
