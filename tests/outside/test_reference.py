import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.tables.kinds import RawKind
from emm.data.tables.raw import RawSplit
from emm.outside.reference import Reference, read_reference, reference_columns
from emm.outside.same_columns import require_same_columns
from emm.outside.train_columns import KeptColumns

KINDS: dict[str, RawKind] = {"age": "number", "code": "text", "level": "integer"}
ROWS = 60


def table(**changed: Any) -> pl.DataFrame:
    columns = {
        "age": [None if row == 3 else row / 2 for row in range(ROWS)],
        "code": [None if row == 4 else f"{row % 5:02}" for row in range(ROWS)],
        "level": [row % 3 for row in range(ROWS)],
        "prediction": [row / 100 for row in range(ROWS)],
    }
    return pl.DataFrame({k: v for k, v in (columns | changed).items() if v is not None})


def write(folder: Path, rows: pl.DataFrame, suffix: str) -> Path:
    path = folder / f"rows.{suffix}"
    if suffix == "csv":
        rows.write_csv(path)
    else:
        rows.write_parquet(path)
    return path


def read(path: Path, classes: tuple[str, ...] = ()) -> Reference:
    return read_reference(path, [*KINDS], KINDS, classes)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_have_the_types_of_the_raw_columns(tmp_path: Path, suffix: str) -> None:
    found = read(write(tmp_path, table(), suffix))
    assert found.rows.schema == {"age": pl.Float64, "code": pl.String, "level": pl.Int64}
    assert found.rows.equals(table().select("age", "code", "level"))
    assert found.predictions.tolist() == [[row / 100] for row in range(ROWS)]


def test_whole_numbers_that_pandas_wrote_as_fractions_are_codes(tmp_path: Path) -> None:
    codes = [None if row == 4 else float(row % 5) for row in range(ROWS)]
    found = read(write(tmp_path, table(code=codes), "parquet"))
    assert found.rows["code"].to_list() == [
        None if row == 4 else str(row % 5) for row in range(ROWS)
    ]


def test_missing_numbers_in_text(tmp_path: Path) -> None:
    ages = ["NaN" if row == 3 else f" {row / 2}" for row in range(ROWS)]
    found = read(write(tmp_path, table(age=ages), "csv"))
    assert found.rows["age"].to_list() == table()["age"].to_list()


def test_predictions_of_classes_are_in_the_order_of_the_classes(tmp_path: Path) -> None:
    rows = table(prediction=None).with_columns(
        pl.lit(0.2).alias("prediction:b"), pl.lit(0.8).alias("prediction:a")
    )
    found = read(write(tmp_path, rows, "csv"), ("a", "b"))
    assert found.predictions.tolist() == [[0.8, 0.2]] * ROWS


def test_the_columns_of_a_reference(tmp_path: Path) -> None:
    path = write(tmp_path, table().rename({"prediction": "prediction:a"}), "csv")
    assert reference_columns(path) == ["age", "code", "level"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prediction": None}, "no column with the original's predictions"),
        ({"age": None}, r"no column with 'age', which it reads(.|\n)*got: code, level, prediction"),
        ({"age": ["high"] * ROWS}, r"'age' holds other values than numbers(.|\n)*got: 'high'"),
        ({"prediction": [float("nan")] * ROWS}, "row 1 of the reference has no finite prediction"),
        ({"prediction": ["0.5", *["yes"] * (ROWS - 1)]}, "'prediction' holds other values"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_reference_that_cannot_be_used(
    tmp_path: Path, changed: dict[str, Any], message: str, suffix: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, table(**changed), suffix))


def test_too_few_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"too few rows(.|\n)*got: 49 rows"):
        read(write(tmp_path, table().head(49), "csv"))
    assert len(read(write(tmp_path, table().head(50), "csv"))) == 50


def test_files_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="can't be read"):
        read(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"a \.parquet or \.csv file"):
        read(tmp_path / "rows.pkl")


def train(folder: Path, rows: pl.DataFrame) -> KeptColumns:
    rows.write_parquet(folder / "train.parquet")
    return KeptColumns(RawSplit(folder / "train.parquet"))


def reference(**columns: Any) -> Reference:
    rows = pl.DataFrame(columns)
    return Reference(Path("rows.csv"), rows, np.zeros((len(rows), 1)))


def test_texts_and_numbers_that_train_has(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["a", "b", None], "n": [0.0, 5.0, None]}))
    given = reference(t=["a", "a", "new", None], n=[0.0, 5.0, 2.0, None])
    require_same_columns(given, rows, ["t", "n"])


def test_texts_with_blanks_around_them_are_named(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["a", "b"]}))
    with pytest.raises(DataError, match=r"got: ' a', ' b', in no row(.|\n)*skipinitialspace"):
        require_same_columns(reference(t=[" a", " b"]), rows, ["t"])


def test_other_texts_are_named(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["07", "08"]}))
    with pytest.raises(DataError, match=r"holds other texts(.|\n)*as they are in the raw files"):
        require_same_columns(reference(t=["7", "8", "08"]), rows, ["t"])


def test_scaled_numbers_are_named(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"n": [float(each) for each in range(90)]}))
    scaled = [(each - 45) / 26 for each in range(90)]
    with pytest.raises(DataError, match="'n' isn't in the raw column's units"):
        require_same_columns(reference(n=scaled), rows, ["n"])


def test_numbers_of_a_text_column_are_compared_as_numbers(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"n": [str(each) for each in range(9)]}))
    require_same_columns(reference(n=[1.0, 8.0]), rows, ["n"])
    with pytest.raises(DataError, match="isn't in the raw column's units"):
        require_same_columns(reference(n=[-1.0, 8.0]), rows, ["n"])


def test_texts_that_pandas_reads_as_missing_are_named(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["NA", "b"]}))
    with pytest.raises(DataError, match=r"the text 'NA'(.|\n)*keep_default_na=False"):
        require_same_columns(reference(t=[None, "b"]), rows, ["t"])
    require_same_columns(reference(t=[None, "b", "NA"]), rows, ["t"])


def test_missing_texts_may_be_in_a_reference_only(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["a", "b"]}))
    require_same_columns(reference(t=[None, "b"]), rows, ["t"])


def test_a_single_text_with_blanks_is_named(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["a", "b"]}))
    with pytest.raises(DataError, match="got: 'b ', in no row of train"):
        require_same_columns(reference(t=["a"] * 60 + ["b "]), rows, ["t"])


@pytest.mark.parametrize(
    ("values", "kept", "word"),
    [
        (["?", *["a"] * 9], [None, *["a"] * 9], "'?'"),
        (["no answer", *["a"] * 9], [None, *["a"] * 9], "'no answer'"),
        ([99.0, *[float(n) for n in range(11)]], [None, *[float(n) for n in range(11)]], "99"),
    ],
)
def test_a_value_that_the_raw_column_lacks_as_it_is_missing_there(
    tmp_path: Path, values: list[Any], kept: list[Any], word: str
) -> None:
    rows = train(tmp_path, pl.DataFrame({"c": kept * 10}))
    with pytest.raises(
        DataError, match=rf"has the value {re.escape(word)}, the raw(.|\n)*COALESCE"
    ):
        require_same_columns(reference(c=values * 10), rows, ["c"])
    require_same_columns(reference(c=kept * 10), rows, ["c"])


def test_new_values_are_no_missing_ones(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["a", None], "n": [0.0, None]}))
    given = reference(t=["a"] * 60 + ["new"], n=[0.0] * 60 + [1.0])
    require_same_columns(given, rows, ["t", "n"])
    never = train(tmp_path, pl.DataFrame({"t": ["a", "b"]}))
    require_same_columns(reference(t=["?", *["a"] * 9]), never, ["t"])


def test_a_blank_after_one_text_is_answered_by_an_expression(tmp_path: Path) -> None:
    rows = train(tmp_path, pl.DataFrame({"t": ["it's", "b", "c"]}))
    advice = "CASE t WHEN 'it''s' THEN 'it''s ' ELSE t END"
    with pytest.raises(DataError, match=advice):
        require_same_columns(reference(t=["it's ", "b", "c"]), rows, ["t"])
