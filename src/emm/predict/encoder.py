"""Encode new raw rows as `preprocess` encodes them, by the same functions."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import polars as pl

from emm.core.errors import DataError
from emm.core.files import sha256
from emm.data.prepare.bags import encode_lists
from emm.data.prepare.encode import VOCABULARY_SCHEMA, encode_sparse, scale_dense
from emm.data.tables.inputs import (
    BAG_ROLE,
    DATE,
    DENSE,
    Input,
    Inputs,
    load_inputs,
)
from emm.data.tables.names import stored_name
from emm.data.tables.schema import Schema, load_schema
from emm.predict.columns import Column, features_of, kind_of, require_columns
from emm.predict.conversions import Known
from emm.predict.values import (
    bag_values,
    clean,
    date_values,
    dense_values,
    sparse_values,
)

_LARGE = 4096
"""Values of a vocabulary that are looked up one block of rows at a time."""

_SHOULD_BE = {
    "integer": "a whole number",
    "unsigned": "a whole number",
    "number": "a number",
    "single": "a number",
    "boolean": "true or false",
    "date": "a date",
}


class Prepared(NamedTuple):
    """Raw rows in the types of training; ``reasons``: why a row can't be used, null where it can.

    The columns have the names of processed ones; sparse values aren't encoded yet.
    """

    rows: pl.DataFrame
    reasons: pl.Series


class Encoder:
    """Raw rows -> processed columns: dense float32, then sparse int32 ids, then bags of ids.

    Equal, bit by bit, to what `preprocess` writes for the same rows.

    Args:
        schema: of the processed data on which the models were trained.
        vocabularies: its values and ids, as in vocabularies.parquet.
        inputs: the raw columns, and how they are read.
    """

    def __init__(self, schema: Schema, vocabularies: pl.DataFrame, inputs: Inputs) -> None:
        self.schema = schema
        self.vocabularies = vocabularies
        self.inputs = inputs
        made = {name for column in self.columns for name in column.features}
        features = [*schema.dense_names, *schema.sparse_names, *self.bags]
        lost = [name for name in features if name not in made]
        if lost or made - {*features}:
            raise DataError(
                "the features of the schema aren't those of the raw columns",
                where="inputs.json next to the processed data",
                got=", ".join(sorted(made)),
                expected=", ".join(features),
                next_step="dvc repro preprocess, or dvc checkout",
            )

    @property
    def bags(self) -> tuple[str, ...]:
        """Names of the multi-valued fields."""
        return tuple(column.name for column in self.schema.bags)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The raw columns that are read."""
        dense = self.schema.dense_names
        return tuple(
            Column(each.name, each.role, kind_of(each), features_of(each, dense))
            for each in self.inputs.columns
        )

    def prepare(self, rows: pl.DataFrame, *, trimmed: bool = False) -> Prepared:
        """Read raw rows; other columns than `columns` are ignored.

        ``trimmed``: the reader has removed the blanks around text already, and empty text is null.
        Raises ParamsError if a column is missing, DataError if one is of a type that can't be read.
        """
        self.check_columns(rows.columns)
        found, reasons = list[pl.Series](), pl.repeat(None, len(rows), dtype=pl.String, eager=True)
        for given in self.inputs.columns:
            column = rows.get_column(given.name)
            series, bad, what = self._read(column, given, trims=self.inputs.trims and not trimmed)
            found += series
            if bad is not None and bad.any():
                reasons = with_reason(reasons, bad, f"the column {given.name!r} isn't {what}")
        return Prepared(pl.DataFrame(found), reasons)

    def encode(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Encode raw rows, all of which can be used. Raises as `prepare`, and DataError for a row
        with a value that can't be used."""
        prepared = self.prepare(rows)
        bad = prepared.reasons.is_not_null().arg_true()
        if len(bad):
            raise DataError(
                prepared.reasons[bad[0]],
                where=f"row {bad[0] + 1}",
                got=str({c.name: rows[c.name][bad[0]] for c in self.columns})[:300],
                next_step="correct the row, or leave it out",
            )
        return self.encode_prepared(prepared.rows)

    def encode_prepared(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Encode rows of `prepare`."""
        names = self.schema.sparse_names
        columns = [*scale_dense(self.schema.dense), *map(pl.col, names)]
        known = self._known_of(rows)
        encoded = encode_sparse(rows.lazy(), known, names).select(columns).collect()
        return encoded.with_columns(encode_lists(rows[bag], known) for bag in self.bags)

    def check_columns(self, names: Sequence[str], where: object = "the new rows") -> None:
        """Raise ParamsError unless every raw column is among ``names``."""
        require_columns([column.name for column in self.columns], names, where)

    @cached_property
    def _known(self) -> Mapping[str, pl.DataFrame]:
        """The vocabulary of each sparse column or bag, without rare values."""
        known = self.vocabularies.filter(pl.col("id") > 0).partition_by("column", as_dict=True)
        return {str(name): frame for (name,), frame in known.items()}

    @cached_property
    def _values(self) -> Mapping[str, Known]:
        """The values of each sparse column."""
        empty = self.vocabularies.clear()
        return {n: Known(self._known.get(n, empty)["value"]) for n in self.schema.sparse_names}

    def _known_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The vocabularies, the large ones with the values of these rows only: looking millions of
        values up in those of a block is faster than the reverse."""
        found = [self.vocabularies.clear()]
        for name, known in self._known.items():
            if len(known) > _LARGE:
                column = rows[name].explode() if name in self.bags else rows[name]
                values = column.unique().cast(pl.String)
                known = known.filter(known["value"].is_in(values.implode()))
            found.append(known)
        return pl.concat(found)

    def _read(
        self, column: pl.Series, given: Input, *, trims: bool
    ) -> tuple[list[pl.Series], pl.Series | None, str]:
        """The values of a raw column by the names of processed ones, where they can't be used, and
        what they should have been."""
        name, text = stored_name(given.name), self.inputs.text
        column = clean(column.rename(name), given, text, trims=trims)
        if given.role == DATE:
            features, invalid = date_values(column, given)
            return [*features.values()], invalid, "a date or time"
        if given.role == DENSE:
            numbers, bad = dense_values(column, given, custom=text is not None)
            return [numbers], bad, "a number"
        if given.role == BAG_ROLE:
            return [bag_values(column, given)], None, ""
        values, bad = sparse_values(column, given, self._values[name], custom=text is not None)
        return [values], bad, _SHOULD_BE.get(given.type, given.type)


def open_encoder(folder: Path) -> Encoder:
    """The encoder of processed data, or of an exported folder.

    Raises DataError if a file is missing or damaged, or isn't the one that the schema names.
    """
    schema = load_schema(folder / "schema.json")
    path = folder / Path(schema.vocabularies["file"]).name
    try:
        found = sha256(path)
        vocabularies = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path} can't be read: {str(error).partition(chr(10))[0]}",
            where=path,
            next_step="dvc repro preprocess, or dvc checkout; or export the model again",
        ) from error
    if found != schema.vocabularies["sha256"] or dict(vocabularies.schema) != VOCABULARY_SCHEMA:
        raise DataError(
            f"{path} isn't the file that {folder / 'schema.json'} names",
            where=path,
            got=f"sha256 {found}",
            expected=f"sha256 {schema.vocabularies['sha256']}",
            next_step="dvc repro preprocess, or dvc checkout; or export the model again",
        )
    return Encoder(schema, vocabularies, load_inputs(folder, schema))


def with_reason(reasons: pl.Series, bad: pl.Series, reason: str) -> pl.Series:
    """The reasons with one more, where there was none."""
    frame = pl.DataFrame({"reason": reasons, "bad": bad})
    first = pl.when(pl.col("reason").is_null() & pl.col("bad")).then(pl.lit(reason))
    return frame.select(first.otherwise("reason").alias("reason")).to_series()
