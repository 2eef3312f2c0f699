"""Columns whose vocabularies may identify people: an export passes their values on."""

import re
from collections.abc import Iterable, Iterator

import polars as pl

from emm.data.tables.names import original_name, stored_name
from emm.data.tables.schema import Schema

FEW, MANY = 50, 1_000
"""Up to ``FEW`` values group people; more than ``MANY`` of a column about people name them."""

_PEOPLE = frozenset(
    word
    for line in (
        "account buyer cardholder client customer device employee member passenger patient",
        "people person seller subscriber uid user visitor",
    )
    for word in line.split()
)
_NAMES = frozenset(
    word
    for line in (
        "address cookie email fingerprint iban imei ip mail msisdn passport phone ssn surname",
        "uid username uuid",
    )
    for word in line.split()
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_VALUES = {
    "e-mail addresses": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "telephone numbers": r"^\+\d[\d ()/.-]{6,}$",
}
_SAMPLE = 1_000


def identifying_columns(schema: Schema, vocabularies: pl.DataFrame) -> dict[str, str]:
    """The columns whose values may identify people, by their raw names, and why.

    Judged by the names of the columns, the key of the split, and the first values: a list of this
    kind is never complete.
    """
    names = {each.name: each.cardinality for each in schema.sparse}
    names |= {each.name: each.cardinality for each in schema.bags}
    found = {}
    for name, cardinality in names.items():
        values = vocabularies.filter(pl.col("column") == name)["value"].head(_SAMPLE)
        reason = next(_reasons(schema, name, cardinality, values), None)
        if reason:
            found[original_name(name)] = f"{cardinality - 1:,} values: {reason}"
    return found


def identifying_members(columns: Iterable[str]) -> dict[str, str]:
    """The same of columns that members from outside read as text, by their names only: their
    files may hold any values."""
    found = {}
    for name in columns:
        words = _words(name)
        if words & _NAMES or (words & _PEOPLE and "id" in words):
            found[name] = "values that a member knows: its name speaks of people"
    return found


def _words(name: str) -> set[str]:
    return {word.lower().removesuffix("s") for word in _WORDS.findall(original_name(name))}


def _reasons(schema: Schema, name: str, cardinality: int, values: pl.Series) -> Iterator[str]:
    words = _words(name)
    if schema.key is not None and name in (schema.key, stored_name(schema.key)):
        yield "the split keeps the rows of one value together"
    people = words & _PEOPLE and ("id" in words or cardinality > MANY)
    if cardinality > FEW and (people or words & _NAMES):
        yield "its name speaks of people"
    for what, pattern in _VALUES.items():
        if 2 * int(values.str.contains(pattern).sum()) > len(values):
            yield f"they look like {what}"
