"""Generate files of any size in the raw format of Ali-CCP.

    python -m benchmarks.ali_ccp_files --rows 1000000 FOLDER

Each part has ``rows`` skeleton lines of about 12 items, ``ROWS_A_USER`` per user. The line of a
user in the common file has 200 to 800 items. Feature ids follow Zipf's law. About 4 % of the rows
are clicks, and 5 % of the clicks are purchases; one row in 2,000 is a purchase without a click, as
in the published files.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

ROWS_A_USER = 58
_ROWS_A_BLOCK = 250_000
_USERS_A_BLOCK = 5_000
_CLICKS, _PURCHASES, _UNCLICKED = 0.04, 0.05, 0.0005
_SKEW = 1.2  # the frequency of an id is proportional to rank ** -_SKEW
_FIRST_KEY = 1 << 60

# Field -> (first feature id, number of ids, share of lines with this field).
_ITEM_FIELDS = {
    "205": (4_000_000, 400_000, 1.0),
    "206": (8_316_000, 8_000, 1.0),
    "207": (8_400_000, 300_000, 1.0),
    "216": (9_100_000, 60_000, 0.7),
    "301": (9_351_665, 3, 1.0),
    "508": (9_355_000, 8_000, 0.6),
    "509": (9_360_000, 200_000, 0.5),
    "702": (9_700_000, 80_000, 0.5),
    "853": (9_900_000, 70_000, 0.3),
}
_TAGS = ("210", 9_000_000, 90_000)
_VALUED = ("508", "509", "702", "853")
_USER_FIELDS = {
    "121": (3_438_600, 98, 1.0),
    "122": (3_438_750, 14, 1.0),
    "124": (3_438_768, 3, 0.9),
    "125": (3_438_772, 3, 0.9),
    "126": (3_438_776, 4, 0.9),
    "127": (3_438_780, 4, 1.0),
    "128": (3_864_885, 3, 1.0),
    "129": (3_864_888, 5, 1.0),
}
_BAGS = {
    "109_14": (430_000, 12_000),
    "110_14": (460_000, 2_000_000),
    "127_14": (3_440_000, 400_000),
    "150_14": (3_870_000, 90_000),
}


@dataclass(frozen=True)
class _Items:
    """Items of one field: the line of each item within a block, and its text."""

    rows: NDArray[np.int64]
    texts: pl.Series


def write_files(folder: Path, rows: int, seed: int = 0) -> None:
    """Write both parts, ``rows`` skeleton lines each; the same seed gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(("train", "test")):
        generator = np.random.default_rng([seed, number])
        users = -(-rows // ROWS_A_USER)
        first = _FIRST_KEY + number * users
        _write(folder / f"common_features_{part}.csv", _common(generator, users, first))
        _write(folder / f"sample_skeleton_{part}.csv", _skeleton(generator, rows, users, first))


def _write(path: Path, blocks: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(blocks)


def _common(generator: np.random.Generator, users: int, first: int) -> Iterator[str]:
    for numbers in _blocks(users, _USERS_A_BLOCK):
        rows = np.arange(len(numbers))
        counts = generator.integers(200, 801, len(numbers))
        user_ids = pl.Series(1 + (first - _FIRST_KEY) + numbers)
        items = [_Items(rows, _texts("101", user_ids))]
        for field, (low, size, share) in _USER_FIELDS.items():
            items.append(_drawn(generator, field, _some(generator, rows, share), low, size))
        for field, (low, size) in _BAGS.items():
            # The items of a bag are adjacent except for the last few, as in the published files.
            bag = np.repeat(rows, counts // len(_BAGS))
            items.append(_drawn(generator, field, bag, low, size))
        items.append(_drawn(generator, field, _some(generator, rows, 0.5), low, size))
        yield _lines([_keys(numbers, first)], items)


def _skeleton(generator: np.random.Generator, rows: int, users: int, first: int) -> Iterator[str]:
    order = generator.permutation(users)
    for numbers in _blocks(rows, _ROWS_A_BLOCK):
        lines = np.arange(len(numbers))
        tags = np.repeat(lines, generator.integers(1, 6, len(lines)))
        items = [_drawn(generator, _TAGS[0], tags, *_TAGS[1:])]
        for field, (low, size, share) in _ITEM_FIELDS.items():
            items.append(_drawn(generator, field, _some(generator, lines, share), low, size))
        click = generator.random(len(lines)) < _CLICKS
        purchase = generator.random(len(lines)) < np.where(click, _PURCHASES, _UNCLICKED)
        head = [
            pl.Series(numbers + 1),
            pl.Series(click.astype(np.uint8)),
            pl.Series(purchase.astype(np.uint8)),
            _keys(order[numbers // ROWS_A_USER], first),
        ]
        yield _lines(head, items)


def _blocks(count: int, size: int) -> Iterator[NDArray[np.int64]]:
    return (np.arange(start, min(start + size, count)) for start in range(0, count, size))


def _some(
    generator: np.random.Generator, rows: NDArray[np.int64], share: float
) -> NDArray[np.int64]:
    return rows[generator.random(len(rows)) < share]


def _drawn(
    generator: np.random.Generator, field: str, rows: NDArray[np.int64], low: int, size: int
) -> _Items:
    ranks = _zipf(generator, len(rows), size)
    ids = pl.Series(low + ranks)
    if field not in (*_VALUED, *_BAGS):
        return _Items(rows, _texts(field, ids))
    values = np.log(generator.geometric(0.3, len(rows)) + 1.0).round(5)
    return _Items(rows, _texts(field, ids, pl.Series(values)))


def _zipf(generator: np.random.Generator, count: int, size: int) -> NDArray[np.int64]:
    """Ranks from 0 to ``size`` - 1, drawn by inverting the continuous form of the distribution."""
    power = 1.0 - _SKEW
    uniform = generator.random(count)
    ranks = (1.0 + uniform * ((size + 1.0) ** power - 1.0)) ** (1.0 / power)
    return np.minimum(ranks.astype(np.int64) - 1, size - 1)


def _texts(field: str, ids: pl.Series, values: pl.Series | None = None) -> pl.Series:
    value = pl.lit("1.0") if values is None else pl.lit(values)
    text = pl.concat_str(pl.lit(f"{field}\x02"), pl.lit(ids), pl.lit("\x03"), value)
    return pl.select(text).to_series()


def _keys(numbers: NDArray[np.int64], first: int) -> pl.Series:
    # Multiplying by an odd number permutes 64-bit integers: the keys are distinct and look hashed.
    keys = (numbers + first).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    text = keys.astype(">u8").tobytes().hex()
    return pl.Series([text[place : place + 16] for place in range(0, len(text), 16)])


def _lines(head: Sequence[pl.Series], items: Sequence[_Items]) -> str:
    """Text of lines: the values in ``head``, the number of items, and the items."""
    rows = np.concatenate([part.rows for part in items])
    order = np.argsort(rows, kind="stable")
    texts = pl.concat([part.texts for part in items]).gather(order)
    counts = np.bincount(rows, minlength=len(head[0]))
    ends = np.zeros(len(rows), dtype=bool)
    ends[np.cumsum(counts) - 1] = True
    starts = np.roll(ends, 1)
    fronts = pl.select(pl.concat_str(*map(pl.lit, head), pl.lit(pl.Series(counts)), separator=","))
    front = fronts.to_series().gather(np.cumsum(starts) - 1) + ","
    columns = pl.DataFrame({"text": texts, "front": front, "start": starts, "end": ends})
    text = pl.concat_str(
        pl.when("start").then("front").otherwise(pl.lit("")),
        "text",
        pl.when("end").then(pl.lit("\n")).otherwise(pl.lit("\x01")),
    )
    return str(columns.select(text.str.join("")).item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000, help="skeleton lines of each part")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_files(options.folder, options.rows, options.seed)


if __name__ == "__main__":
    main()
