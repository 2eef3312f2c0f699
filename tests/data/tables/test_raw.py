import json
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.tables.kinds import kind_of_type
from emm.data.tables.raw import RawSplit, open_raw, raw_columns

ROWS = 300_000  # more than a window


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processed")
    (folder / "raw").mkdir()
    (folder / "raw/columns.json").write_text(json.dumps({"n": "number", "t": "text", "o": "text"}))
    rows = pl.DataFrame({"n": pl.int_range(ROWS, eager=True).cast(pl.Float64), "t": ["é"] * ROWS})
    rows.write_parquet(folder / "raw/train.parquet", row_group_size=100_000)
    return folder


def test_batches_are_all_rows_in_order(processed: Path) -> None:
    split = open_raw(processed, "train")
    assert (split.columns, len(split)) == (("n", "t"), ROWS)
    batches = [*split.batches(65_536)]
    assert max(map(len, batches)) <= 65_536
    assert pl.concat(batches)["n"].to_list() == list(range(ROWS))


def test_inputs_are_evaluated_in_their_order(processed: Path) -> None:
    batch = next(open_raw(processed, "train").batches(2, {"y": "n + 1", "x": "t"}))
    assert batch.to_dict(as_series=False) == {"y": [1.0, 2.0], "x": ["é", "é"]}


def test_chosen_columns_only(processed: Path) -> None:
    split = RawSplit(processed / "raw/train.parquet", ["t"])
    assert next(split.batches(1)).columns == ["t"]
    with pytest.raises(DataError, match=r"lacks the column 'x'(.|\n)*preprocess\.raw"):
        RawSplit(processed / "raw/train.parquet", ["x"])


def test_kinds_are_those_of_all_columns(processed: Path) -> None:
    assert raw_columns(processed) == {"n": "number", "t": "text", "o": "text"}


def test_what_is_not_there_is_named(processed: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"test\.parquet can't be read(.|\n)*emm check --fix"):
        open_raw(processed, "test")
    with pytest.raises(DataError, match=r"columns\.json can't be read"):
        raw_columns(tmp_path)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/columns.json").write_text('{"a": "list"}')
    with pytest.raises(DataError, match="expected text or number or integer"):
        raw_columns(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pl.Int8, "integer"),
        (pl.Boolean, "integer"),
        (pl.Float32, "number"),
        (pl.Decimal(10, 2), "number"),
        (pl.String, "text"),
        (pl.Categorical, "text"),
        (pl.Datetime("us"), "text"),
        (pl.Duration("us"), None),
        (pl.List(pl.Int8), None),
        (pl.Binary, None),
    ],
)
def test_kinds_of_types(dtype: pl.DataType, kind: str | None) -> None:
    assert kind_of_type(pl.Series([], dtype=dtype).dtype) == kind
