"""The largest order-preserving common subsequence of several sequences of sets."""

from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import dataclass
from itertools import product
from math import lcm, prod
from typing import TypeVar

Feature = TypeVar("Feature", bound=Hashable)
Match = tuple[int, ...]
Score = tuple[int, int, int, int]

# Largest number of states for the exact method; above it, sequences are folded in one by one.
MAX_STATES = 1_000_000


@dataclass(frozen=True)
class _Item:
    """One item, or one of each of several sequences: the features that they share, as bits, their
    positions, and the least and the greatest of their depths."""

    features: int
    match: Match
    low: int
    high: int


def common_subsequence(
    sequences: Sequence[Sequence[Set[Feature]]], first: Callable[[Feature], bool]
) -> list[Match]:
    """Match items in order; for each match, return its position in every sequence.

    Items are sets of features, and those of a match share one in all sequences. The solution has
    the most matches; among those, the most shared features for which ``first`` is true; then the
    most shared features; then matches end at the most equal relative depths in their sequences.
    This is exact while the table of the dynamic programme has at most MAX_STATES states. Above
    that, sequences are added to the matches of those before.
    """
    # What isn't in every sequence can't be in a match; an item without anything else only counts
    # in the depths. This also means that folding always leaves a match if there is one.
    everywhere = set[Feature]().union(*sequences[0])
    for sequence in sequences[1:]:
        everywhere &= set[Feature]().union(*sequence)
    bits = {feature: 1 << number for number, feature in enumerate(everywhere)}
    preferred = sum(bit for feature, bit in bits.items() if first(feature))
    scale = lcm(*map(len, sequences))  # depths are whole numbers, so that ties are exact
    folded, *rest = (
        [
            _Item(sum(bits[x] for x in item & everywhere), (place,), depth, depth)
            for place, item in enumerate(sequence)
            for depth in [(place + 1) * scale // len(sequence)]
            if not everywhere.isdisjoint(item)
        ]
        for sequence in sequences
    )
    while rest:
        fitting = [
            count
            for count in range(1, len(rest) + 1)
            if prod(len(chain) + 1 for chain in [folded, *rest[:count]]) <= MAX_STATES
        ]
        count = max(fitting, default=1)
        folded, rest = _exact([folded, *rest[:count]], preferred), rest[count:]
    return [item.match for item in folded]


def _exact(chains: Sequence[Sequence[_Item]], preferred: int) -> list[_Item]:
    """Dynamic programme over all tuples of suffixes, from the ends of the chains."""
    sizes = [len(chain) for chain in chains]
    # States are numbered in the order of their tuples: one step along a chain adds its stride.
    strides = [prod(size + 1 for size in sizes[number + 1 :]) for number in range(len(sizes))]
    states = prod(size + 1 for size in sizes)
    best: list[Score] = [(0, 0, 0, 0)] * states
    step = [0] * states
    everything = sum(strides)
    suffixes = product(*(range(size, -1, -1) for size in sizes))
    for state, places in zip(range(states - 1, -1, -1), suffixes, strict=True):
        if any(place == size for place, size in zip(places, sizes, strict=True)):
            continue  # nothing more to match
        skipping = [best[state + stride] for stride in strides]
        score = max(skipping)
        move = strides[skipping.index(score)]
        items = [chain[place] for chain, place in zip(chains, places, strict=True)]
        gain = _gain(items, preferred)
        if gain:
            after = best[state + everything]
            matched = (
                after[0] + gain[0],
                after[1] + gain[1],
                after[2] + gain[2],
                after[3] + gain[3],
            )
            if matched >= score:
                move, score = everything, matched
        best[state], step[state] = score, move
    return _trace(chains, strides, step)


def _gain(items: Sequence[_Item], preferred: int) -> Score | None:
    """What a match of ``items`` adds to the score; None if they share nothing."""
    shared = _shared(items)
    if not shared:
        return None
    spread = max(item.high for item in items) - min(item.low for item in items)
    return 1, (shared & preferred).bit_count(), shared.bit_count(), -spread


def _shared(items: Sequence[_Item]) -> int:
    shared = items[0].features
    for item in items:
        shared &= item.features
    return shared


def _trace(
    chains: Sequence[Sequence[_Item]], strides: Sequence[int], step: Sequence[int]
) -> list[_Item]:
    """The matches on the path from the start of all chains."""
    matches, state = [], 0
    while step[state]:
        if step[state] == sum(strides):
            items = [
                chain[state // stride % (len(chain) + 1)]
                for chain, stride in zip(chains, strides, strict=True)
            ]
            match = sum((item.match for item in items), ())
            low, high = min(item.low for item in items), max(item.high for item in items)
            matches.append(_Item(_shared(items), match, low, high))
        state += step[state]
    return matches
