"""The longest order-preserving common subsequence of several sequences."""

from collections.abc import Hashable, Sequence
from itertools import product

Match = tuple[int, ...]

# Largest number of states for the exact method; above it, sequences are added one at a time.
MAX_STATES = 1_000_000


def common_subsequence(sequences: Sequence[Sequence[Hashable]]) -> list[Match]:
    """Match equal items in order; for each match, return its position in every sequence.

    The number of matches is the largest possible: exactly while the table of the dynamic programme
    has at most MAX_STATES states, otherwise approximately, by adding one sequence at a time. Among
    solutions of equal length, matches lie at the most equal relative depths in their sequences.
    """
    states = 1
    for sequence in sequences:
        states *= len(sequence) + 1
    if states <= MAX_STATES:
        return _exact(sequences)
    *first, last = sequences
    matches = common_subsequence(first)
    folded = _exact([[sequences[0][match[0]] for match in matches], last])
    return [(*matches[place], position) for place, position in folded]


def _exact(sequences: Sequence[Sequence[Hashable]]) -> list[Match]:
    """Dynamic programme over all tuples of suffixes, from the ends of the sequences."""
    sizes = [len(sequence) for sequence in sequences]
    # For the suffixes that start at a state: the best (matches, -spread), and the next state.
    best: dict[Match, tuple[int, float]] = {}
    step: dict[Match, Match] = {}
    for state in product(*(range(size, -1, -1) for size in sizes)):
        score, target = (0, 0.0), state
        if all(place < size for place, size in zip(state, sizes, strict=True)):
            for number in range(len(state)):
                after = (*state[:number], state[number] + 1, *state[number + 1 :])
                if best[after] > score or target == state:
                    score, target = best[after], after
            items = {sequence[place] for sequence, place in zip(sequences, state, strict=True)}
            if len(items) == 1:
                after = tuple(place + 1 for place in state)
                matched = (best[after][0] + 1, best[after][1] - _spread(state, sizes))
                if matched >= score:
                    score, target = matched, after
        best[state], step[state] = score, target
    return _trace(step, len(sizes))


def _spread(match: Match, sizes: Sequence[int]) -> float:
    """Difference between the largest and the smallest relative depth of a match."""
    depths = [place / max(size - 1, 1) for place, size in zip(match, sizes, strict=True)]
    return max(depths) - min(depths)


def _trace(step: dict[Match, Match], sequences: int) -> list[Match]:
    """The matches on the path from the start of all sequences."""
    matches, state = [], (0,) * sequences
    while step[state] != state:
        after = step[state]
        if all(new == old + 1 for new, old in zip(after, state, strict=True)):
            matches.append(state)
        state = after
    return matches
