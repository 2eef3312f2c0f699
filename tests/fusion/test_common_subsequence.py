from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.fusion import common_subsequence as module
from emm.fusion.common_subsequence import Match, common_subsequence

Sets = list[frozenset[str]]
SEQUENCES = st.lists(
    st.lists(st.frozensets(st.sampled_from("ABcd"), max_size=3), max_size=4),
    min_size=1,
    max_size=3,
)


def sets(*sequences: str) -> list[Sets]:
    """Sequences of sets, spelled like "Ab c": capitals count first."""
    return [[frozenset(item) for item in sequence.split()] for sequence in sequences]


def matched(*sequences: str) -> list[Match]:
    return common_subsequence(sets(*sequences), str.isupper)


def score(sequences: list[Sets], matches: list[Match]) -> tuple[float, ...]:
    """What the solution should be greatest in, in this order."""
    shared = [
        frozenset.intersection(*(s[place] for s, place in zip(sequences, match, strict=True)))
        for match in matches
    ]
    depths = [
        [(place + 1) / len(s) for s, place in zip(sequences, match, strict=True)]
        for match in matches
    ]
    return (
        len(matches),
        sum(feature.isupper() for features in shared for feature in features),
        sum(map(len, shared)),
        -sum(max(depth) - min(depth) for depth in depths),
    )


def best_by_trying_all(sequences: list[Sets]) -> tuple[float, ...]:
    """The greatest score of all ordered selections of items that share a feature."""
    pairs = [
        match
        for match in product(*(range(len(s)) for s in sequences))
        if frozenset.intersection(*(s[place] for s, place in zip(sequences, match, strict=True)))
    ]
    chains: list[list[Match]] = [[]]
    for match in pairs:  # in lexicographic order: what can come before a match is in `chains`
        chains += [
            [*chain, match]
            for chain in chains
            if not chain or all(a < b for a, b in zip(chain[-1], match, strict=True))
        ]
    return max(score(sequences, chain) for chain in chains)


@settings(deadline=None)
@given(SEQUENCES)
def test_the_solution_is_as_good_as_the_best_found_by_trying_all(sequences: list[Sets]) -> None:
    found = common_subsequence(sequences, str.isupper)
    for before, after in combinations(found, 2):
        assert all(a < b for a, b in zip(before, after, strict=True))
    assert score(sequences, found) == pytest.approx(best_by_trying_all(sequences))


def test_items_that_share_a_feature_only_in_pairs_are_not_matched() -> None:
    assert matched("ab", "bc", "ca") == []


def test_more_matches_count_before_a_preferred_feature() -> None:
    assert matched("a b C", "C a b") == [(0, 1), (1, 2)]


def test_a_preferred_feature_counts_before_several_others() -> None:
    assert matched("Aabc", "abc A") == [(0, 1)]


def test_ties_are_decided_by_equal_relative_depth() -> None:
    assert matched("x x a x x x x x x", "y a") == [(2, 1)]
    assert matched("a x x x a x x x a", "y y a y y") == [(4, 2)]


def test_of_equal_items_those_at_the_same_share_of_the_depth_are_matched() -> None:
    assert matched("a a a", "a a a a a a") == [(0, 1), (1, 3), (2, 5)]


@pytest.mark.parametrize("states", [0, 10, 50])
@settings(deadline=None)
@given(sequences=SEQUENCES)
def test_the_approximate_method_gives_ordered_matches_if_there_are_any(
    states: int, sequences: list[Sets]
) -> None:
    exact = common_subsequence(sequences, str.isupper)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_STATES", states)
        found = common_subsequence(sequences, str.isupper)
    assert bool(found) == bool(exact)
    for match in found:
        assert frozenset.intersection(
            *(s[place] for s, place in zip(sequences, match, strict=True))
        )
    for before, after in combinations(found, 2):
        assert all(a < b for a, b in zip(before, after, strict=True))


def test_the_approximate_method_adds_a_sequence_to_the_matches_of_those_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_STATES", 16)
    # "b c" is left of the first three; of these, c lies at more equal depths than b.
    assert matched("a b c", "a b c", "b c a", "a c b") == [(2, 2, 1, 1)]


def test_an_empty_sequence_has_no_match() -> None:
    assert matched("a b", "") == []
