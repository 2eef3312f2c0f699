"""Numbers within a block of text, parsed all at once: the eight bytes before each end as one word.

A word is a 64-bit number whose highest byte is the text's last one. What lies before a shorter
text is turned into zeros, and whole-number arithmetic works on the eight digits side by side
(Langdale, Lemire: Number parsing at a gigabyte per second, 2021, section 4). Longer texts, signs
and exponents are left to whoever asks.

Shapes: I texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

LONGEST = 8
"""Bytes of the longest text that fits into a word."""

Words = NDArray[np.uint64]

_EACH = 0x0101010101010101
_ZEROS = ord("0") * _EACH
_DOTS = ord(".") * _EACH
_PAIRS = np.uint64(0x000000FF000000FF)
_HUNDREDS, _MYRIADS = np.uint64(100 + (1_000_000 << 32)), np.uint64(1 + (10_000 << 32))
_HIGH, _LOW = 0xF0 * _EACH, 0x7F * _EACH
# By a text's length: the bytes that are its own, and zeros in the others' place.
_OWN = np.array([(2**64 - 1) << (64 - 8 * n) & (2**64 - 1) for n in range(9)], dtype=np.uint64)
_FILL = ~_OWN & np.uint64(_ZEROS)
_POWERS = 10.0 ** np.arange(LONGEST + 1)


def words(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> Words:
    """The eight bytes before each of ``ends`` [I], all of which are at least 8."""
    every = np.ndarray((max(len(data) - 7, 0),), dtype="<u8", buffer=data, strides=(1,))
    found: Words = every[ends - LONGEST]
    return found


def whole_numbers(
    texts: Words, lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """The number of each text of at most 8 digits [I], and where a text isn't one [I]."""
    short = np.minimum(lengths, LONGEST)
    own = texts & _OWN[short] | _FILL[short]
    return _number(own).astype(np.uint32), ~_are_digits(own) | (lengths > LONGEST) | (lengths < 1)


def decimals(
    texts: Words, lengths: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The number of each text of digits around one point, at most 8 bytes [I], rounded to the
    nearest, and where a text isn't one [I]."""
    short = np.minimum(lengths, LONGEST)
    own = texts & _OWN[short] | _FILL[short]
    other = own ^ _DOTS
    dot = ~(((other & _LOW) + _LOW) | other | _LOW)  # the highest bit of each byte that is a point
    one = (dot != 0) & (dot & (dot - 1) == 0)
    dot >>= 7
    before = dot - 1  # the bits of all bytes before the point
    # The digits before the point close up to those behind it.
    own = own & ~(before | dot * 0xFF) | (own & before) << 8 | ord("0")
    behind = LONGEST - 1 - (np.bitwise_count(before) >> 3).astype(np.int64)
    values = _number(own) / _POWERS[np.where(one, behind, 0)]
    fits = one & _are_digits(own) & (lengths <= LONGEST) & (lengths > 1)
    return values.astype(np.float32), ~fits


def _are_digits(own: Words) -> NDArray[np.bool_]:
    """Where all eight bytes are digits: their upper half is 3, also once 6 is added to them."""
    upper = own & _HIGH | (own + 6 * _EACH & _HIGH) >> 4
    found: NDArray[np.bool_] = upper == 0x33 * _EACH
    return found


def _number(own: Words) -> Words:
    """The number that eight digits make: pairs of them, pairs of pairs, and the two halves."""
    own = own - _ZEROS
    own = own * 10 + (own >> 8)
    pairs, others = own & _PAIRS, (own >> 16) & _PAIRS
    found: Words = pairs * _HUNDREDS + others * _MYRIADS
    return found >> np.uint64(32)


@dataclass(frozen=True)
class _Names:
    """A table in which each name's word stands at a place that a multiplication gives."""

    factor: int
    words: Words
    lengths: NDArray[np.int64]
    codes: NDArray[np.uint8]


_SLOTS = 10  # bits of a place


def codes(texts: Words, lengths: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    """The place of each text [I] among ``names``, of at most 8 bytes each; their number if none."""
    table = _table(tuple(names))
    own = texts & _OWN[np.minimum(lengths, LONGEST)]
    places = own * table.factor >> (64 - _SLOTS)
    known = (table.words[places] == own) & (table.lengths[places] == lengths)
    found: NDArray[np.int64] = np.where(known, table.codes[places], len(names))
    return found


@cache
def _table(names: tuple[str, ...]) -> _Names:
    own = np.array([int.from_bytes(name.encode().rjust(8, b"\0"), "little") for name in names])
    own = own.astype(np.uint64)
    factor = _EACH
    while True:
        factor = (factor * 6364136223846793005 + 1442695040888963407) % 2**64 | 1
        places = own * factor >> (64 - _SLOTS)
        if len(np.unique(places)) == len(names):
            break
    table = _Names(
        factor,
        np.zeros(2**_SLOTS, dtype=np.uint64),
        np.full(2**_SLOTS, -1),
        np.zeros(2**_SLOTS, dtype=np.uint8),
    )
    table.words[places], table.codes[places] = own, np.arange(len(names))
    table.lengths[places] = [len(name) for name in names]
    return table
