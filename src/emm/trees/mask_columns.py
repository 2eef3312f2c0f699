"""Masks of the leaves that each value of one column leaves reachable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.trees.leaf_masks import BITS, IDS
from emm.trees.unroll import Unrolled

CELLS = 2**22
"""Pairs of a split and a code that are compared at once; each needs about 10 bytes."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Splits:
    """What the nodes of an ensemble compare, as arrays by node.

    Attributes:
        bitset: row of ``bits``, or -1 for a threshold.
        bits: which ids 0..255 go left, [rows, 256].
        by_set: whether each of the D + F columns is a field of at most 255 ids.
    """

    column: Array
    threshold: Array
    missing_left: Array
    bitset: Array
    bits: Array
    by_set: Array

    def goes_left(self, nodes: Array, values: Array) -> Array:
        """Whether each node sends each of the values left, [nodes, values]."""
        left = values <= self.threshold[nodes, None]
        left |= np.isnan(values) & self.missing_left[nodes, None]
        sets = np.flatnonzero(self.bitset[nodes] >= 0)
        if len(sets):
            left[sets] = self.bits[self.bitset[nodes[sets], None], values.astype(np.int64)]
        return left


@dataclass(frozen=True)
class Column:
    """The masks of the codes of one column, [codes, words] int32, and which values have them.

    ``thresholds``: of a column of numbers, whose code is how many of them are smaller, or one more
    than all for NaN. ``of_ids`` [256]: the codes of a field's ids.
    """

    column: int
    masks: Array
    thresholds: Array | None = None
    of_ids: Array | None = None


def splits_of(nodes: Mapping[str, Array], by_set: Sequence[bool]) -> Splits | None:
    """The splits of an ensemble's buffers; None if a child, column or set doesn't exist."""
    size, sets = len(nodes["value"]), len(nodes["bitsets"])
    inner = nodes["left"] != np.arange(size)
    bitset = np.where(inner & (sets > 0), nodes["bitset"], -1)
    columns = np.where(inner, nodes["column"], 0)
    fields = np.asarray(by_set, dtype=np.bool_)
    bounds = [(nodes[name], size) for name in ("left", "right", "starts")]
    if not all(((each >= 0) & (each < end)).all() for each, end in bounds):
        return None
    if not ((columns[inner] >= 0) & (columns[inner] < len(fields))).all():
        return None
    if (bitset >= sets).any() or not fields[columns[bitset >= 0]].all():
        return None
    packed = nodes["bitsets"].astype("<i4").view(np.uint8).reshape(sets, IDS // 8)
    bits = np.unpackbits(packed, axis=1, bitorder="little").astype(np.bool_)
    return Splits(columns, nodes["threshold"], nodes["missing_left"], bitset, bits, fields)


def columns_of(splits: Splits, trees: Unrolled) -> list[Column]:
    """The columns that some trees read, in order."""
    entries = _entries(trees)
    column = splits.column[entries.node]
    order = np.lexsort((entries.word, column))
    found, starts = np.unique(column[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(found) else []
    return [
        (_by_set if splits.by_set[number] else _by_threshold)(
            splits, entries.take(part), number, trees.total
        )
        for number, part in zip(found.tolist(), parts, strict=True)
    ]


@dataclass(frozen=True)
class _Entries:
    """Pairs of a node and a word with leaves below it, and the leaves that each side keeps."""

    node: Array
    word: Array
    if_left: Array
    if_right: Array

    def take(self, which: Array) -> "_Entries":
        return _Entries(*(x[which] for x in (self.node, self.word, self.if_left, self.if_right)))

    def masks(self, goes_left: Callable[[Array], Array], codes: int, words: int) -> Array:
        """Masks by code, [codes, words] int32, of entries in the order of their words.

        ``goes_left``: which codes the nodes [n] send left, [n, codes].
        """
        masks = np.full((codes, words), -1, np.int32)
        own, starts = np.unique(self.word, return_index=True)
        ends = [*starts[1:].tolist(), len(self.word)]
        pieces = -(-len(self.word) * codes // CELLS)
        for some in np.array_split(np.arange(len(own)), min(len(own), pieces)):
            first, last = int(starts[some[0]]), ends[some[-1]]
            left = goes_left(self.node[first:last])
            kept = np.where(left, self.if_left[first:last, None], self.if_right[first:last, None])
            own_masks = np.bitwise_and.reduceat(kept, starts[some] - first, axis=0)
            masks[:, own[some]] = own_masks.T
        return masks


def _entries(trees: Unrolled) -> _Entries:
    first, last = trees.low // BITS, (trees.high - 1) // BITS
    spans = last - first + 1
    which = np.repeat(np.arange(len(spans)), spans)
    within = np.arange(len(which)) - np.repeat(np.cumsum(spans) - spans, spans)
    word = first[which] + within
    low, middle, high = (
        np.clip(bound[which] - word * BITS, 0, BITS)
        for bound in (trees.low, trees.middle, trees.high)
    )
    return _Entries(trees.node[which], word, ~_bits(middle, high), ~_bits(low, middle))


def _bits(low: Array, high: Array) -> Array:
    """Words with the bits from ``low`` to ``high`` - 1."""
    one = np.int64(1)
    return ((one << high) - (one << low)).astype(np.uint32).view(np.int32)


def _by_threshold(splits: Splits, entries: _Entries, column: int, words: int) -> Column:
    own = np.unique(splits.threshold[entries.node])
    thresholds = own[~np.isnan(own)]  # no value is less than or equal to NaN
    # The largest value with each code; the last but one is that of values above all thresholds.
    values = np.append(thresholds, np.array([np.inf, np.nan], np.float32))
    masks = entries.masks(lambda nodes: splits.goes_left(nodes, values), len(values), words)
    return Column(column, masks, thresholds=thresholds)


def _by_set(splits: Splits, entries: _Entries, column: int, words: int) -> Column:
    ids = np.arange(IDS, dtype=np.float32)
    left = splits.goes_left(np.unique(entries.node), ids)
    # Ids that no node tells apart have one code.
    _, firsts, codes = np.unique(
        np.packbits(left, axis=0), axis=1, return_index=True, return_inverse=True
    )
    values = ids[firsts]
    masks = entries.masks(lambda nodes: splits.goes_left(nodes, values), len(values), words)
    return Column(column, masks, of_ids=codes.ravel())
