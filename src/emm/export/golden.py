"""Golden rows: raw rows drawn from vocabularies and quantiles, with which an export is checked.

They are no rows of the dataset, whose terms may forbid passing them on. They have what a client may
send: known, rare, unseen and missing values, blanks around text, numbers beyond those of train.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.tables.inputs import BAG_ROLE, DATE, DENSE, Input
from emm.data.tables.kinds import INTEGER, TEXT, RawKind
from emm.data.tables.names import stored_name
from emm.data.tables.schema import DenseColumn
from emm.export.golden_values import golden_type, moments, typed, unseen_text
from emm.predict.encoder import Encoder

GOLDEN_ROWS = 1_024
"""Rows that are stored."""

SEED = 20
TYPICAL, MISSING, UNSEEN, LOWEST, HIGHEST, FREQUENT, ANY = range(7)
"""What a value is: the first five are also whole rows."""
_WHOLE_ROWS = (TYPICAL, MISSING, UNSEEN, LOWEST, HIGHEST)
_MIX = {FREQUENT: 0.66, ANY: 0.2, MISSING: 0.05, UNSEEN: 0.05, LOWEST: 0.02, HIGHEST: 0.02}
_BLANKS = 0.05
_MOST_SINGLE = 200
"""Columns of which single missing and unseen values have rows of their own."""
_MOST_ITEMS = 12
_BEYOND = 0.25
"""How far numbers lie beyond those of train, in widths of its range: far away, a network's sums are
so large that single precision itself is off by more than the tolerances."""

Kinds = NDArray[np.int64]
Draw = np.random.Generator
Vocabulary = tuple[pl.Series, NDArray[np.int64]]
"""Values of train by falling frequency, and the sums of their numbers of rows."""


def golden_rows(
    encoder: Encoder,
    rows: int = GOLDEN_ROWS,
    others: Mapping[str, RawKind] | None = None,
    given: Collection[str] = (),
) -> pl.DataFrame:
    """Raw rows in the types of the raw columns; the same for the same data.

    The first ones have only typical, missing, unseen, lowest or highest values; then one value of
    each column is missing or unseen; then follow mixtures.
    ``others``: further raw columns, which members from outside read, and of which only the kinds
    are known; ``given``: columns that can't be missing.
    """
    inputs, vocabularies = encoder.inputs, _vocabularies(encoder)
    dense = {column.name: column for column in encoder.schema.dense}
    missing = inputs.text.missing if inputs.text else ()
    others = {k: v for k, v in (others or {}).items() if k not in {c.name for c in inputs.columns}}
    names = [*(column.name for column in inputs.columns), *others]
    kinds = _kinds(rows, len(names))
    fixed = np.array([name in given for name in names])
    kinds = np.where((kinds == MISSING) & fixed, ANY, kinds)
    drawn = []
    for number, column in enumerate(inputs.columns):
        draw, name = np.random.default_rng([SEED, number]), stored_name(column.name)
        source = _Source(column, dense, vocabularies.get(name, _EMPTY), missing, inputs.trims)
        drawn.append(source.values(kinds[:, number], draw))
    for number, (name, kind) in enumerate(others.items(), len(inputs.columns)):
        drawn.append(_unknown(name, kind, kinds[:, number], np.random.default_rng([SEED, number])))
    return pl.DataFrame(drawn)


def _kinds(rows: int, columns: int) -> Kinds:
    """What each value of each row is, [N, columns]."""
    draw = np.random.default_rng(SEED)
    mixed = draw.choice([*_MIX], p=[*_MIX.values()], size=(rows, columns))
    for row, kind in enumerate(_WHOLE_ROWS[:rows]):
        mixed[row] = kind
    singles = [(c, kind) for c in range(min(columns, _MOST_SINGLE)) for kind in (MISSING, UNSEEN)]
    for row, (column, kind) in enumerate(singles[: rows // 2], len(_WHOLE_ROWS)):
        mixed[row] = np.where(mixed[row] > HIGHEST, mixed[row], FREQUENT)
        mixed[row, column] = kind
    return mixed


_EMPTY: Vocabulary = (pl.Series([], dtype=pl.String), np.zeros(0, np.int64))


def _vocabularies(encoder: Encoder) -> Mapping[str, Vocabulary]:
    parts = encoder.vocabularies.partition_by("column", as_dict=True, maintain_order=True)
    return {
        str(name): (part["value"], part["rows"].cast(pl.Int64).cum_sum().to_numpy())
        for (name,), part in parts.items()
    }


@dataclass(frozen=True)
class _Source:
    """Where the values of one raw column come from."""

    column: Input
    dense: Mapping[str, DenseColumn]
    vocabulary: Vocabulary
    missing: Sequence[str]
    trims: bool

    def values(self, kinds: Kinds, draw: Draw) -> pl.Series:
        """A value of each kind, as a column."""
        makers: Mapping[str, Callable[[Kinds, Draw], Sequence[Any]]] = {
            DENSE: self._dense,
            DATE: self._dates,
            BAG_ROLE: self._bags,
        }
        found = makers.get(self.column.role, self._sparse)(kinds, draw)
        return pl.Series(self.column.name, found, golden_type(self.column), strict=False)

    def _dense(self, kinds: Kinds, draw: Draw) -> Sequence[Any]:
        numbers = _numbers(self.dense[stored_name(self.column.name)], kinds, draw)
        return _without(numbers.tolist(), kinds == MISSING)

    def _sparse(self, kinds: Kinds, draw: Draw) -> Sequence[Any]:
        texts = self._texts(kinds, draw)
        if self.column.type == "text":
            blank = (draw.random(len(kinds)) < _BLANKS) & self.trims
            texts = [f" {t} " if b and t else t for t, b in zip(texts, blank, strict=True)]
            if self.missing:
                words = draw.choice(list(self.missing), len(kinds))
                chosen = (kinds == MISSING) & (draw.random(len(kinds)) < 0.5)
                texts = [str(w) if c else t for t, w, c in zip(texts, words, chosen, strict=True)]
        return [None if text is None else typed(text, self.column.type) for text in texts]

    def _texts(self, kinds: Kinds, draw: Draw) -> list[str | None]:
        """Values as text; None where they are missing."""
        values, sums = self.vocabulary
        if values.is_empty():
            return [self._unseen(draw) if kind == UNSEEN else None for kind in kinds]
        frequent = sums.searchsorted(draw.integers(sums[-1], size=len(kinds)), side="right")
        places = np.select(
            [kinds == FREQUENT, kinds == ANY, kinds == LOWEST],
            [frequent, draw.integers(len(values), size=len(kinds)), len(values) - 1],
            0,
        )
        texts: list[str | None] = values.gather(places).to_list()
        for row in np.flatnonzero(kinds == UNSEEN):
            texts[row] = self._unseen(draw)
        return _without(texts, kinds == MISSING)

    def _unseen(self, draw: Draw) -> str | None:
        """A value that no row of train has; None if there is no such value of the type."""
        text = unseen_text(self.column.type, int(draw.integers(2**62, 2**63 - 1)))  # 19 digits
        known = text is None or text in self.missing or bool((self.vocabulary[0] == text).any())
        return None if known else text

    def _bags(self, kinds: Kinds, draw: Draw) -> Sequence[Any]:
        sizes = draw.integers(_MOST_ITEMS, size=len(kinds))
        for kind, size in ((TYPICAL, 1), (LOWEST, 0), (HIGHEST, _MOST_ITEMS)):
            sizes[kinds == kind] = size
        bags: list[Any] = []
        for kind, size in zip(kinds, sizes, strict=True):
            items = self._texts(np.full(size, UNSEEN if kind == UNSEEN else ANY), draw)
            bags.append([typed(item, self.column.type) for item in items if item is not None])
        return _without(bags, kinds == MISSING)

    def _dates(self, kinds: Kinds, draw: Draw) -> Sequence[Any]:
        days = np.zeros(len(kinds))
        if self.column.dated:
            name = stored_name(f"{self.column.name}:days")
            days = _numbers(self.dense[name], kinds, draw).round()
        seconds = draw.integers(86_400, size=len(kinds)) * self.column.timed
        return _without(moments(days, seconds, self.column), kinds == MISSING)


def _numbers(column: DenseColumn, kinds: Kinds, draw: Draw) -> NDArray[np.float64]:
    """Numbers of a dense column in its own units, [N]."""
    rows, width = len(kinds), column.maximum - column.minimum or 1.0
    points = np.array(column.quantiles or (column.minimum, column.maximum))
    places = draw.integers(len(points), size=rows)
    between = draw.uniform(points[np.maximum(places - 1, 0)], points[places])
    below = column.minimum - width * _BEYOND * draw.integers(2, size=rows)
    beyond = column.maximum + width * _BEYOND * (1 - draw.random(rows))
    found: NDArray[np.float64] = np.select(
        [kinds == kind for kind in (TYPICAL, UNSEEN, LOWEST, HIGHEST, FREQUENT)],
        [points[len(points) // 2], beyond, below, column.maximum, points[places]],
        between,
    )
    return found


def _unknown(name: str, kind: RawKind, kinds: Kinds, draw: Draw) -> pl.Series:
    """Values of a column of which nothing but its kind is known: few ones, some of them missing."""
    numbers = draw.integers(100, size=len(kinds))
    values = [str(n) if kind == TEXT else n for n in numbers.tolist()]
    types: dict[RawKind, type[pl.DataType]] = {TEXT: pl.String, INTEGER: pl.Int64}
    return pl.Series(name, _without(values, kinds == MISSING), types.get(kind, pl.Float64))


def _without(values: Sequence[Any], missing: NDArray[np.bool_]) -> list[Any]:
    return [None if no else value for value, no in zip(values, missing, strict=True)]
