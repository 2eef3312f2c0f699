import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emm.data.reading.words import codes, decimals, whole_numbers, words

BEFORE = b"99.99999"  # bytes before a text, which must be ignored
NUMBERS = st.text("0123456789", min_size=1, max_size=8)
POINTED = st.tuples(NUMBERS | st.just(""), NUMBERS | st.just("")).map(".".join)
SHORT = POINTED.filter(lambda text: 1 < len(text) <= 8)
ANY = st.text(st.characters(codec="ascii", exclude_characters=","), max_size=10)


def laid_out(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The words and lengths of consecutive texts."""
    data = np.frombuffer(BEFORE + ",".join(texts).encode() + b",", dtype=np.uint8)
    ends = np.flatnonzero(data == ord(","))
    starts = np.concatenate([[len(BEFORE)], ends[:-1] + 1])
    return words(data, ends), ends - starts


def is_digits(text: str) -> bool:
    return 1 <= len(text) <= 8 and all(char in "0123456789" for char in text)


@given(st.lists(NUMBERS, min_size=1))
def test_whole_numbers_are_those_of_python(texts: list[str]) -> None:
    found, odd = whole_numbers(*laid_out(texts))
    assert found.tolist() == [int(text) for text in texts]
    assert not odd.any()


@given(st.lists(SHORT, min_size=1))
def test_decimals_are_the_nearest_float32_as_in_polars(texts: list[str]) -> None:
    found, odd = decimals(*laid_out(texts))
    assert found.tolist() == pl.Series(texts).cast(pl.Float32).to_list()
    assert not odd.any()


@settings(max_examples=300)
@given(st.lists(ANY | NUMBERS | POINTED, min_size=1))
def test_texts_that_are_not_short_numbers_are_reported(texts: list[str]) -> None:
    whole, pointed = whole_numbers(*laid_out(texts))[1], decimals(*laid_out(texts))[1]
    assert (~whole).tolist() == [is_digits(text) for text in texts]
    fits = [
        len(text) <= 8 and text.count(".") == 1 and is_digits(text.replace(".", ""))
        for text in texts
    ]
    assert (~pointed).tolist() == fits


@pytest.mark.parametrize("text", ["1/2", "1:2", "1;2", "0x1", "\x00", "-1", "+1", "1e3", "1.2.3"])
def test_characters_next_to_the_digits_are_not_digits(text: str) -> None:
    assert whole_numbers(*laid_out([text]))[1].all()
    assert decimals(*laid_out([text]))[1].all()


NAMES = ("101", "109_14", "508", "12345678")


@given(st.lists(ANY | st.sampled_from(NAMES), min_size=1))
def test_a_code_is_the_index_of_the_name(texts: list[str]) -> None:
    expected = [NAMES.index(text) if text in NAMES else len(NAMES) for text in texts]
    assert codes(*laid_out(texts), NAMES).tolist() == expected


def test_a_name_after_a_zero_byte_is_unknown() -> None:
    assert codes(*laid_out(["\x00101"]), NAMES).tolist() == [len(NAMES)]


def test_an_empty_block_has_no_numbers() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    empty = words(np.zeros(0, dtype=np.uint8), nothing)
    assert len(whole_numbers(empty, nothing)[0]) == len(decimals(empty, nothing)[0]) == 0
