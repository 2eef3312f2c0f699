"""Predictions for rows in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
from polars.selectors import by_name

from emm.core.errors import DataError
from emm.core.progress import say
from emm.predict.columns import require_columns
from emm.predict.encoder import Encoder, with_reason
from emm.predict.model import NO_NUMBER, Logits, RowModel, finite, logit_frame, predictions
from emm.predict.values import KINDS, raw_values

UNIT = 65_536
"""Rows that are predicted together: of the same rows in the same order, `score` and `evaluate`
compute the same batches."""


class Encoded(NamedTuple):
    """Rows as a model reads them.

    Attributes:
        features: of the rows that can be used.
        raw: the same rows in the raw columns that the model reads.
        missing: by raw column, how many of the rows have no value.
        reasons: of all rows, why one can't be used; null where it can.
    """

    features: pl.DataFrame
    raw: pl.DataFrame
    missing: dict[str, int]
    reasons: pl.Series


@dataclass(frozen=True)
class Predictor:
    """A model that predicts raw rows.

    ``columns``: names of the raw columns that it reads, as in the raw files.
    """

    model: RowModel

    @property
    def encoder(self) -> Encoder:
        """What turns raw rows into the model's features."""
        return self.model.encoder

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that are predicted."""
        return self.encoder.schema.tasks

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw columns that are read."""
        names = (column.name for column in self.encoder.columns)
        return tuple(dict.fromkeys([*names, *self.model.raw]))

    def predict(self, rows: Any) -> pl.DataFrame:
        """Predictions for a Polars or pandas frame of raw rows, one row each, in order.

        The columns are those of `emm.predict.model.predictions`. A row with a value that training
        would have refused has nulls; how many, and why, is said. Raises ParamsError if a column is
        missing, DataError if one has another type than in training.
        """
        return self._predict(rows, logits=False)

    def logits(self, rows: Any) -> pl.DataFrame:
        """The same as logits: of a binary task that of 1, of a regression the standardised value,
        and of a task of classes one for each class, ``task:class``."""
        return self._predict(rows, logits=True)

    def _predict(self, rows: Any, *, logits: bool) -> pl.DataFrame:
        frame = polars_frame(rows, self.columns)
        parts = [frame[start : start + UNIT] for start in range(0, max(len(frame), 1), UNIT)]
        found = [self._unit(part, logits=logits) for part in parts]
        return pl.concat(found)

    def _unit(self, rows: pl.DataFrame, *, logits: bool) -> pl.DataFrame:
        encoded = self.encode(rows)
        good, reasons = encoded.reasons.is_null(), encoded.reasons.drop_nulls()
        found = self.model.logits(encoded.features, encoded.raw)
        usable = finite(found)
        if not usable.all():
            good = at_places(usable.to_frame(), good).to_series().fill_null(value=False)
            reasons, found = reasons.append(pl.Series([NO_NUMBER])), found[usable.to_numpy()]
        outputs = self.outputs(found, as_logits=logits)
        if good.all():
            return outputs
        say(f"{(~good).sum():,} of {len(rows):,} rows can't be used, such as: {reasons[0]}")
        return at_places(outputs, good)

    def outputs(self, logits: Logits, *, as_logits: bool = False) -> pl.DataFrame:
        """The columns of the predictions that the logits [N, O] stand for, or of these."""
        schema = self.encoder.schema
        if as_logits:
            return logit_frame(schema, logits)
        return predictions(schema, self.encoder.inputs, logits)

    def encode(self, rows: pl.DataFrame, *, trimmed: bool = False) -> Encoded:
        """Raw rows as the model reads them; for ``trimmed`` and errors see `Encoder.prepare`."""
        prepared = self.encoder.prepare(rows, trimmed=trimmed)
        raw, reasons = self._raw(rows, prepared.reasons)
        usable, good = prepared.rows, reasons.is_null()
        if not good.all():
            usable, raw = usable.filter(good), raw.filter(good) if raw.columns else raw
        return Encoded(self.encoder.encode_prepared(usable), raw, _missing(usable), reasons)

    def _raw(self, rows: pl.DataFrame, reasons: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """The raw columns that the model reads besides features, and the reasons with those of
        their values."""
        found, inputs = list[pl.Series](), self.encoder.inputs
        for name, kind in self.model.raw.items():
            series, bad = raw_values(rows.get_column(name), name, kind, inputs)
            found.append(series)
            if bad is not None and bad.any():
                reasons = with_reason(reasons, bad, f"the column {name!r} isn't {KINDS[kind]}")
        return pl.DataFrame(found), reasons


def polars_frame(rows: Any, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of a Polars or pandas frame as Polars frame. Raises DataError for other rows."""
    if isinstance(rows, pl.LazyFrame):
        rows = rows.select(by_name(*columns, require_all=False)).collect()
    if isinstance(rows, pl.DataFrame):
        return rows
    if not (hasattr(rows, "columns") and hasattr(rows, "iloc")):
        raise DataError(
            "the rows are no data frame",
            got=type(rows).__name__,
            expected="a Polars or pandas frame with the raw columns",
            next_step="polars.DataFrame(rows) makes one of dicts",
        )
    require_columns(columns, [*map(str, rows.columns)], "the new rows")
    return pl.DataFrame([_polars_series(name, rows[name]) for name in columns])


def _polars_series(name: str, column: Any) -> pl.Series:
    """A column of a pandas frame; NaN, NA, NaT and None are missing."""
    values = column.to_numpy()
    if values.dtype.kind in "biufM":
        series = pl.Series(name, values)
        return series.fill_nan(None) if series.dtype.is_float() else series
    missing = column.isna().to_numpy()
    items = [None if gone else each for each, gone in zip(values, missing, strict=True)]
    return pl.Series(name, items, strict=False)


def at_places(found: pl.DataFrame, good: pl.Series) -> pl.DataFrame:
    """Rows at the places where ``good`` is true, and rows of nulls at the others."""
    place = good.cast(pl.Int64).cum_sum() - 1
    index = pl.DataFrame({"place": place, "good": good})
    places = index.select(pl.when("good").then("place")).to_series()
    return found.select(pl.all().gather(places))


def _missing(prepared: pl.DataFrame) -> dict[str, int]:
    """How many of prepared rows have no value, by processed column."""
    return {
        column.name: int(
            (column.fill_nan(None) if column.dtype.is_float() else column).null_count()
        )
        for column in prepared
    }
