"""Vectorised parsing of many short texts in a block, each as one 64-bit word.

A word holds the eight bytes up to the end of a text; its highest byte is the last character. Bytes
before a shorter text are replaced by zeros, and integer arithmetic handles the eight digits of a
word at once (Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience,
2021). Longer texts, signs and exponents are reported to the caller as not parsed.

Shapes: I texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

WORD_BYTES = 8
"""Bytes of a word, and of the longest text that can be parsed."""

Words = NDArray[np.uint64]

_EACH = 0x0101010101010101
_ZEROS = ord("0") * _EACH
_DOTS = ord(".") * _EACH
_PAIRS = np.uint64(0x000000FF000000FF)
_HUNDREDS, _MYRIADS = np.uint64(100 + (1_000_000 << 32)), np.uint64(1 + (10_000 << 32))
_HIGH, _LOW = 0xF0 * _EACH, 0x7F * _EACH
# By the length of a text: a mask of its bytes, and the digit 0 in the place of the others.
_MASK = np.array([(2**64 - 1) << (64 - 8 * n) & (2**64 - 1) for n in range(9)], dtype=np.uint64)
_FILL = ~_MASK & np.uint64(_ZEROS)
_POWERS = 10.0 ** np.arange(WORD_BYTES + 1)


def words(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> Words:
    """The words that end before each of ``ends`` [I], all of which are at least 8."""
    every = np.ndarray((max(len(data) - 7, 0),), dtype="<u8", buffer=data, strides=(1,))
    found: Words = every[ends - WORD_BYTES]
    return found


def whole_numbers(
    texts: Words, lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Parse texts of at most 8 digits: the numbers [I], and where a text isn't one [I]."""
    short = np.minimum(lengths, WORD_BYTES)
    digits = texts & _MASK[short] | _FILL[short]
    return _number(digits).astype(np.uint32), ~_are_digits(digits) | (lengths > WORD_BYTES) | (
        lengths < 1
    )


def decimals(
    texts: Words, lengths: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Parse texts of digits with one point, at most 8 bytes.

    Returns the nearest float32 numbers [I], and where a text isn't such a number [I].
    """
    short = np.minimum(lengths, WORD_BYTES)
    digits = texts & _MASK[short] | _FILL[short]
    other = digits ^ _DOTS
    dot = ~(((other & _LOW) + _LOW) | other | _LOW)  # the highest bit of each byte that is a point
    one = (dot != 0) & (dot & (dot - 1) == 0)
    dot >>= 7
    before = dot - 1  # the bits of all bytes before the point
    # Shift the digits before the point next to those after it.
    digits = digits & ~(before | dot * 0xFF) | (digits & before) << 8 | ord("0")
    after = WORD_BYTES - 1 - (np.bitwise_count(before) >> 3).astype(np.int64)
    values = _number(digits) / _POWERS[np.where(one, after, 0)]
    fits = one & _are_digits(digits) & (lengths <= WORD_BYTES) & (lengths > 1)
    return values.astype(np.float32), ~fits


def _are_digits(digits: Words) -> NDArray[np.bool_]:
    """Where all bytes are digits: their upper half is 3, and is still 3 after adding 6."""
    upper = digits & _HIGH | (digits + 6 * _EACH & _HIGH) >> 4
    found: NDArray[np.bool_] = upper == 0x33 * _EACH
    return found


def _number(digits: Words) -> Words:
    """The number that eight digits form: combine them into pairs, groups of four, and all eight."""
    digits = digits - _ZEROS
    digits = digits * 10 + (digits >> 8)
    pairs, others = digits & _PAIRS, (digits >> 16) & _PAIRS
    found: Words = pairs * _HUNDREDS + others * _MYRIADS
    return found >> np.uint64(32)


@dataclass(frozen=True)
class _Names:
    """A hash table of names: the slot of a name's word is the top bits of a product."""

    factor: int
    words: Words
    lengths: NDArray[np.int64]
    codes: NDArray[np.uint8]


_SLOT_BITS = 10


def codes(texts: Words, lengths: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    """Index of each text [I] in ``names``, of at most 8 bytes each; len(names) if unknown."""
    table = _hash_table(tuple(names))
    masked = texts & _MASK[np.minimum(lengths, WORD_BYTES)]
    slots = masked * table.factor >> (64 - _SLOT_BITS)
    known = (table.words[slots] == masked) & (table.lengths[slots] == lengths)
    found: NDArray[np.int64] = np.where(known, table.codes[slots], len(names))
    return found


@cache
def _hash_table(names: tuple[str, ...]) -> _Names:
    """Try factors until no two names share a slot."""
    texts = np.array([int.from_bytes(name.encode().rjust(8, b"\0"), "little") for name in names])
    texts = texts.astype(np.uint64)
    factor = _EACH
    while True:
        factor = (factor * 6364136223846793005 + 1442695040888963407) % 2**64 | 1
        slots = texts * factor >> (64 - _SLOT_BITS)
        if len(np.unique(slots)) == len(names):
            break
    table = _Names(
        factor,
        np.zeros(2**_SLOT_BITS, dtype=np.uint64),
        np.full(2**_SLOT_BITS, -1),
        np.zeros(2**_SLOT_BITS, dtype=np.uint8),
    )
    table.words[slots], table.codes[slots] = texts, np.arange(len(names))
    table.lengths[slots] = [len(name) for name in names]
    return table
