"""Rows of any blocks come in units of one size, in order, each once."""

from collections.abc import Sequence

import polars as pl
import pytest

from emm.predict.units import Part, regrouped


def parts(sizes: Sequence[int], *, raw: bool) -> list[Part]:
    """Rows numbered from 0, every fourth of which can't be used."""
    found, start = [], 0
    for size in sizes:
        rows = pl.DataFrame({"row": range(start, start + size)}, schema={"row": pl.Int64})
        good = rows["row"] % 4 != 3
        features = rows.filter(good).rename({"row": "feature"})
        found.append(Part(rows, good, features, features if raw else pl.DataFrame()))
        start += size
    return found


@pytest.mark.parametrize("sizes", [[], [0], [1], [7, 0, 1], [40], [3, 3, 3, 40, 2], [9, 9, 9]])
@pytest.mark.parametrize("raw", [True, False])
def test_units_have_one_size(sizes: list[int], *, raw: bool) -> None:
    found = [*regrouped(parts(sizes, raw=raw), 6)]
    assert [len(part.features) for part in found[:-1]] == [6] * (len(found) - 1)
    rows = [row for part in found for row in part.places["row"]]
    assert rows == [*range(sum(sizes))]
    for part in found:
        assert part.places.filter(part.good)["row"].to_list() == part.features["feature"].to_list()
        assert not raw or part.raw.equals(part.features)
