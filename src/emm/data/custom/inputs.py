"""The raw columns of custom data that are features, and how they are read, to read new rows."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from emm.data.custom.columns import time_form
from emm.data.custom.features import Features
from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.tables.inputs import (
    BAG_ROLE,
    DATE,
    DENSE,
    SPARSE,
    Input,
    Inputs,
    Role,
    TextForm,
    type_of,
    unit_of,
)
from emm.data.tables.names import original_name


def custom_inputs(
    sample: pl.DataFrame,
    found: Features,
    columns: CustomColumns,
    files: CustomFiles,
    *,
    time: str | None,
    delimited: bool,
) -> Inputs:
    """The features ``found`` in a ``sample`` of the columns as they are read.

    ``time``: the column that orders the rows by time; ``delimited``: whether the files are text.
    """
    text = TextForm(
        files.separator,
        tuple(files.missing),
        files.columns,
        files.encoding,
        files.notation.decimal,
        files.notation.thousands,
        tuple(map(original_name, files.numbers)),
        delimited,
    )
    return Inputs(tuple(_inputs(sample, found, columns, time)), text)


def _inputs(
    sample: pl.DataFrame, found: Features, columns: CustomColumns, time: str | None
) -> Iterator[Input]:
    roles: dict[str, Role] = dict.fromkeys(found.raw_dense, DENSE)
    roles |= dict.fromkeys(found.sparse, SPARSE)
    for name, role in roles.items():
        form = time_form(sample[name]) if name == time else None
        yield replace(_input(sample[name], role), time=form)
    for each in found.dates:
        yield replace(_input(sample[each.column], DATE), dated=each.dated, timed=each.timed)
    for name, separator in columns.bags.items():
        yield replace(_input(sample[name], BAG_ROLE), separator=separator)


def _input(column: pl.Series, role: Role) -> Input:
    return Input(
        original_name(column.name), role, type_of(column.dtype), unit=unit_of(column.dtype)
    )
