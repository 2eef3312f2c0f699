import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.data.reading.item_blocks import read_block
from emm.data.reading.items import FAULT, Fields, parse_lists

FIELDS = Fields(("101", "109_14", "508"), valued=("109_14",), bags=("109_14",))
COLUMNS = ("id", "click", "purchase", "key", "number")

ITEMS = st.tuples(
    st.sampled_from(FIELDS.names),
    st.integers(0, 2**32 - 1),
    st.integers(-999, 999).map(lambda n: n / 8),
)
LISTS = st.lists(st.lists(ITEMS, min_size=1, max_size=6), min_size=1, max_size=6)


def text_of(items: list[tuple[str, int, float]]) -> str:
    return "\x01".join(f"{field}\x02{number}\x03{value}" for field, number, value in items)


def lines(lists: list[list[tuple[str, int, float]]]) -> str:
    rows = [
        f"{n},{n % 2},0,user{n % 3},{len(each)},{text_of(each)}" for n, each in enumerate(lists)
    ]
    return "\n".join(rows) + "\n"


@settings(deadline=None, max_examples=60)
@given(LISTS)
def test_a_block_is_parsed_like_its_lists_by_the_slow_parser(
    lists: list[list[tuple[str, int, float]]],
) -> None:
    rows = read_block(lines(lists).encode(), COLUMNS, FIELDS)
    assert rows is not None
    expected = parse_lists(
        pl.Series(map(text_of, lists)), pl.Series([str(len(each)) for each in lists]), FIELDS
    )
    assert rows.drop(COLUMNS).equals(expected.drop(FAULT))
    plain = [(str(n), n % 2, 0.0, f"user{n % 3}", str(len(each))) for n, each in enumerate(lists)]
    assert rows.select(COLUMNS).rows() == plain


def test_a_block_may_have_fewer_columns_before_the_list() -> None:
    block = b"anna,2,101\x021\x031.0\x01109_14\x022\x030.5\nbert,1,508\x023\x031.0\n"
    rows = read_block(block, ("key", "number"), FIELDS)
    assert rows is not None
    shown = rows.select("key", "number", "101", "109_14", "D109_14", "508").rows()
    assert shown == [("anna", 2, 1, 2, 0.5, None), ("bert", 1, None, None, 0.0, 3)]


GOOD = "1,0,0,anna,1,101\x027\x031.0\n"


@pytest.mark.parametrize(
    "bad",
    [
        "2,0,0,anna,2,101\x027\x031.0\n",  # another number of items
        "2,0,0,anna,1,777\x027\x031.0\n",  # an unknown field
        "2,0,0,anna,1,101\x02x\x031.0\n",  # no whole number
        "2,0,0,anna,1,101\x02-7\x031.0\n",
        "2,0,0,anna,1,101\x027\x03much\n",  # no number
        "2,0,0,anna,1,101\x027\x03nan\n",
        "2,0,0,anna,1,101\x037\x021.0\n",  # swapped marks
        "2,0,0,anna,1,10171.0\n",  # no marks
        "2,0,0,anna,1,101\x027\x031.0\x01\n",  # an empty item
        "2,0,0,anna,1,101\x027\x03\n",  # an empty value
        "2,0,0,,1,101\x027\x031.0\n",  # an empty column
        "2,x,0,anna,1,101\x027\x031.0\n",  # a label that isn't a number
        "2,0,0,anna,1,5,101\x027\x031.0\n",  # one column too many
        "2,0,anna,1,101\x027\x031.0\n",  # one too few
        "2,0,0,anna,1,101\x027\x031,0\n",  # a comma in an item
        "2,0,0,anna,0,\n",  # an empty list
        "2,0,0,anna,1,101\x027\x031.0\r\n",  # another line end
        "2,0,0,an\x04na,1,101\x027\x031.0\n",  # a control character
        "2,0,0,än,1,101\x027\x031.0\n",  # not ASCII
        "2,0,0, anna,1,101\x027\x031.0\n",
        "2,0,0,anna,1,101\x027\x031.0",  # no line end
        "\n",
    ],
)
@pytest.mark.parametrize("before", ["", GOOD])
def test_a_block_with_a_malformed_line_is_not_parsed(bad: str, before: str) -> None:
    assert read_block(GOOD.encode(), COLUMNS, FIELDS) is not None
    assert read_block((before + bad).encode(), COLUMNS, FIELDS) is None
