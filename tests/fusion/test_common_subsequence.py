from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.fusion import common_subsequence as module
from emm.fusion.common_subsequence import common_subsequence

SEQUENCES = st.lists(st.text("abc", max_size=6), min_size=1, max_size=3)


def longest_by_trying_all(sequences: list[str]) -> int:
    """The longest subsequence of the first that is one of all others."""

    def within(part: tuple[str, ...], whole: str) -> bool:
        rest = iter(whole)
        return all(item in rest for item in part)

    first, *others = sequences
    return max(
        length
        for length in range(len(first) + 1)
        for part in combinations(first, length)
        if all(within(part, other) for other in others)
    )


@settings(deadline=None)
@given(SEQUENCES)
def test_matches_are_common_ordered_and_as_many_as_possible(sequences: list[str]) -> None:
    matches = common_subsequence(sequences)
    for match in matches:
        assert len({s[place] for s, place in zip(sequences, match, strict=True)}) == 1
    for number in range(len(sequences)):
        places = [match[number] for match in matches]
        assert places == sorted(set(places))
    assert len(matches) == longest_by_trying_all(sequences)


def test_ties_are_decided_by_equal_relative_depth() -> None:
    assert common_subsequence(["xxaxxxxxx", "ya"]) == [(2, 1)]
    assert common_subsequence(["axxxaxxxa", "yyayy"]) == [(4, 2)]


def test_the_approximate_method_gives_a_common_subsequence(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = ["abcabc", "acbacb", "bacbac"]
    monkeypatch.setattr(module, "MAX_STATES", 50)
    matches = common_subsequence(sequences)
    spelled = [["".join(s[m[i]] for m in matches)] for i, s in enumerate(sequences)]
    assert spelled[0] == spelled[1] == spelled[2]
    assert len(matches) >= 2
