"""Infer what a column of custom data is, by a sample of its values."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
import yaml

from emm.core.progress import say
from emm.data.custom.dates import DateFeatures, is_date
from emm.data.custom.numbers import hint, is_missing, parse_numbers
from emm.data.tables.names import original_name
from emm.data.tables.schema import InferredColumn

DENSE, SPARSE, DATES = "dense", "sparse", "dates"

MAX_CATEGORIES = 10
"""A column of whole numbers with more distinct values than this is dense, unless it has ids."""

ROWS_WITH_NAMES = 100
"""So many values, all different, are names of rows unless they are numbers."""

_ID_WORDS = {
    *("id", "uid", "code", "zip", "zipcode", "postcode"),
    *("user", "customer", "member", "item", "product", "merchant", "shop", "store"),
}
"""The last words of names of columns with ids, whose order says nothing."""

_MOST, _FEW_WORDS = 0.9, 20
_SHOWN, _EXAMPLE = 10, 40
_UNUSABLE = {
    pl.List: "a list",
    pl.Array: "an array",
    pl.Struct: "a struct",
    pl.Binary: "bytes",
    pl.Object: "an object",
    pl.Duration: "a duration",
}


@dataclass(frozen=True)
class Inferred:
    """What a column is taken as.

    Args:
        role: dense, sparse or dates; None if it can't be a feature.
        note: why, or what is read as missing.
        words: text among its numbers or dates, with the number of rows; not among `MISSING_WORDS`.
        hint: the setting that makes numbers of its values.
    """

    role: str | None
    note: str = ""
    words: Mapping[str, int] | None = None
    hint: str | None = None


def unusable(dtype: pl.DataType) -> str | None:
    """What the values of a column are that can't be a feature, if they can't."""
    return next((what for kind, what in _UNUSABLE.items() if dtype == kind), None)


def infer(column: pl.Series) -> Inferred:
    """Infer the role of a column.

    - Numbers are dense if any is a fraction or more than `MAX_CATEGORIES` of them differ: with ages
      and counts as categories, models are worse by more than with codes as numbers.
    - Whole numbers that the column's name calls ids are sparse.
    - Dates and times are read as `emm.data.custom.dates` describes.
    - Everything else is sparse: few whole numbers, text, booleans, and codes, which are digits with
      a leading zero. Where all of `ROWS_WITH_NAMES` or more values differ, they name the rows, and
      are no feature.

    Some text among numbers or dates doesn't make them sparse: a word for a missing value is read as
    one, and any other is returned as one of the ``words``.
    """
    what = unusable(column.dtype)
    if what is not None:
        return Inferred(None, f"it holds {what}")
    values = column.drop_nulls()
    if isinstance(column.dtype, pl.Categorical | pl.Enum | pl.Boolean | pl.Null):
        return _categories(values)
    if column.dtype.is_temporal():
        return Inferred(DATES)
    numbers = parse_numbers(values)
    known = numbers.drop_nulls()
    if column.dtype == pl.String:
        dates = is_date(values)
        if dates.sum() > len(known):
            return _with_words(DATES, values, dates)
    whole = bool((known == known.round()).all())
    distinct = known.n_unique()
    if whole and distinct <= MAX_CATEGORIES:
        suggestion = hint(values) if column.dtype == pl.String else None
        return replace(_categories(values), hint=suggestion)
    if whole and has_ids(column.name):
        return _categories(values, "ids by its name")
    return _with_words(DENSE, values, numbers.is_not_null())


def _categories(values: pl.Series, note: str = "") -> Inferred:
    """A column of categories; no feature if they name the rows."""
    if len(values) >= ROWS_WITH_NAMES and values.n_unique() == len(values):
        return Inferred(None, "names each row")
    return Inferred(SPARSE, note)


def has_ids(name: str) -> bool:
    """Whether a column's name says that its values are ids: ``user_id``, ``itemId``, ``shop``."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", original_name(name))
    words = [word.lower() for word in found]
    return bool({*words[-1:]} & _ID_WORDS) and "per" not in words


def other_words(values: pl.Series, good: pl.Series) -> dict[str, int]:
    """Text that is neither good nor a word for a missing value, with the number of rows."""
    texts = values.filter(~good).cast(pl.String).to_frame("value")
    others = texts.filter(~is_missing(pl.col("value")))
    counts = Counter(dict(others.group_by("value").len().iter_rows()))
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def table(
    sample: pl.DataFrame,
    inferred: Mapping[str, Inferred],
    dates: Mapping[str, DateFeatures],
) -> tuple[InferredColumn, ...]:
    """The inferred columns of a sample, as they are listed."""
    return tuple(_listed(sample[name], each, dates.get(name)) for name, each in inferred.items())


def show(dataset: str, rows: int, columns: Sequence[InferredColumn]) -> None:
    """Print a table of the inferred columns."""
    if not columns:
        return
    head = ("column", "taken as", "distinct", "missing", "example")
    lines = [head] + [
        (each.name, each.taken_as, f"{each.distinct:,}", f"{each.missing:,}", each.example)
        for each in columns
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    say(f"{dataset}: columns without a role in the section custom, by their first {rows:,} rows:")
    for name, taken_as, distinct, missing, example in lines:
        text = f"  {name:{widths[0]}}  {taken_as:{widths[1]}}  {distinct:>{widths[2]}}"
        say(f"{text}  {missing:>{widths[3]}}  {example}".rstrip())


def word_faults(
    where: str, inferred: Mapping[str, Inferred], missing: Sequence[str], sparse: Iterable[str]
) -> list[str]:
    """One message for all columns of numbers or dates with other words, one for each with a hint.

    ``missing`` and ``sparse``: the settings of these names so far.
    """
    faults = [
        f"{where}: the values of {original_name(name)!r} look like numbers in another notation; if "
        f"they are, write {each.hint}, otherwise name the column in sparse or bags"
        for name, each in inferred.items()
        if each.hint
    ]
    asked = {original_name(name): each for name, each in inferred.items() if each.words}
    if asked:
        listing = "; ".join(
            f"{name!r} ({each.role}): {_counted(each.words or {})}" for name, each in asked.items()
        )
        words = [word for each in asked.values() for word in [*(each.words or {})][:_SHOWN]]
        faults.append(
            f"{where}: few values of some columns are neither numbers nor dates: {listing}; where "
            f"they mean a missing value, write {line('missing', [*missing, *words])}; where a "
            f"column is a category, write {line('sparse', [*sparse, *asked])}"
        )
    return faults


def line(key: str, values: Iterable[str]) -> str:
    """A line of a configuration with a list of texts."""
    shown = yaml.safe_dump([*dict.fromkeys(values)], default_flow_style=True, width=10_000)
    return f"{key}: {shown.strip()}"


def _with_words(role: str, values: pl.Series, good: pl.Series) -> Inferred:
    """A column most of whose values are good for a role; sparse if they aren't."""
    read = values.filter(~good).cast(pl.String).to_frame("value")
    recognised = read.filter(is_missing(pl.col("value")))["value"].unique().sort()
    note = f"missing: {', '.join(recognised)}" if len(recognised) else ""
    words = other_words(values, good)
    if not words:
        return Inferred(role, note)
    share = good.sum() / max(len(values) - len(read) + sum(words.values()), 1)
    few = len(words) <= _FEW_WORDS and share > 1 / 2
    if few or share >= _MOST:
        return Inferred(role, note, words)
    return _categories(values)


def _listed(column: pl.Series, inferred: Inferred, dates: DateFeatures | None) -> InferredColumn:
    values = column.drop_nulls()
    role = inferred.role or "left out"
    if dates is not None:
        kinds = [what for what, given in (("date", dates.dated), ("time", dates.timed)) if given]
        role = " and ".join(kinds)
    missing = column.null_count()
    if inferred.role in (DENSE, DATES) and column.dtype == pl.String:
        missing += int(values.to_frame("value").select(is_missing(pl.col("value"))).sum().item())
    example = " ".join(str(values[0]).split())[:_EXAMPLE] if len(values) else ""
    note = f" ({inferred.note})" if inferred.note else ""
    return InferredColumn(
        original_name(column.name),
        role + note,
        values.n_unique(),
        missing,
        example,
    )


def _counted(words: Mapping[str, int]) -> str:
    shown = [
        f"{word!r} once" if rows == 1 else f"{word!r} {rows:,} times"
        for word, rows in [*words.items()][:_SHOWN]
    ]
    more = f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
    return ", ".join(shown) + more
