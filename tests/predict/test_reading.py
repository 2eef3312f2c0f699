"""Files of new rows: formats, headers, and rows that can't be used, which keep their places."""

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from emm.api.opening import open_model
from emm.core.errors import DataError, ParamsError
from emm.data.custom.tasks import CustomTask
from emm.predict.encoder import open_encoder
from emm.predict.files import find_files, open_table
from emm.predict.model import NO_NUMBER, Logits, RowModel
from emm.predict.predictor import Predictor
from emm.predict.run import Written, predict_files
from tests.data.custom.custom_files import describe, preprocessed, put_parquet
from tests.predict.projects import inside, refused
from tests.predict.shops import NAME, visits

TASKS = ["bought", "spent", "size:S", "size:M", "size:L"]
ROWS = visits()[390:410]


@pytest.fixture(scope="module")
def model(shop: Path) -> RowModel:
    with inside(shop):
        return open_model(f"{NAME}/tiny/tm-1").model


@pytest.fixture(scope="module")
def expected(model: RowModel, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The predictions of the rows from a file as the raw ones are."""
    folder = tmp_path_factory.mktemp("expected")
    return run(model, put(folder / "rows.csv"), folder)[0]


def put(path: Path, rows: pl.DataFrame = ROWS, separator: str = ";") -> Path:
    rows.write_csv(path, separator=separator)
    return path


def run(model: RowModel, *args: Path) -> tuple[pl.DataFrame, Written]:
    """Predict the rows of files into a folder, the last argument."""
    *files, folder = args
    written = predict_files(model, files, folder / "out.parquet")
    return pl.read_parquet(folder / "out.parquet"), written


def test_every_row_has_its_line_and_key(expected: pl.DataFrame) -> None:
    assert expected.columns == ["line", "session", *TASKS]
    assert expected["session"].to_list() == ROWS["session"].to_list()
    breaks = ROWS["device"].str.contains("\n").cast(pl.Int64).to_list()
    assert expected["line"].to_list() == [2 + n + sum(breaks[:n]) for n in range(len(ROWS))]
    assert expected.null_count().row(0) == (0,) * 7


@pytest.mark.parametrize("separator", [",", "\t", "|"])
def test_another_separator_is_recognised_by_the_header(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path, separator: str
) -> None:
    found, _ = run(model, put(tmp_path / "rows.csv", separator=separator), tmp_path)
    assert found.equals(expected)


def test_columns_may_come_in_any_order_and_others_are_ignored(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ROWS.select(*reversed(ROWS.columns), extra=pl.lit("x"), more=pl.lit(1))
    found, _ = run(model, put(tmp_path / "rows.csv", rows), tmp_path)
    assert found.equals(expected)
    said = capsys.readouterr().err
    assert "rows.csv: 4 columns that the model doesn't read are ignored: shirt, paid, extra" in said


def test_a_typed_table_is_read_as_the_text(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path
) -> None:
    typed = ROWS.drop("paid", "shirt").with_columns(
        pl.col("session", "user").cast(pl.Int64),
        pl.col("price").str.replace("'", "").cast(pl.Float64),
        pl.col("views").cast(pl.Int32),
        pl.col("when").str.to_datetime("%Y-%m-%d %H:%M", strict=False),
    )
    typed.write_parquet(tmp_path / "rows.parquet")
    found, _ = run(model, tmp_path / "rows.parquet", tmp_path)
    assert found["session"].dtype == pl.Int64
    assert found["line"].to_list() == [*range(1, 21)]
    assert found.select(TASKS).equals(expected.select(TASKS))


def zstandard(data: bytes) -> bytes:
    module = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    packed: bytes = import_module(module).compress(data)
    return packed


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, bz2.compress, lzma.compress, zstandard],
    ids=["gzip", "bzip2", "xz", "zstandard"],
)
def test_a_compressed_file_is_read_as_its_content(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    plain = put(tmp_path / "rows.csv")
    (tmp_path / "packed").write_bytes(compress(plain.read_bytes()))
    assert run(model, tmp_path / "packed", tmp_path)[0].equals(expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.parquet",
        "out.parquet.drift.json",
        "packed",
        "rows.csv",
    ]


def test_a_damaged_compressed_file_is_an_error(model: RowModel, tmp_path: Path) -> None:
    packed = gzip.compress(put(tmp_path / "rows.csv").read_bytes())
    (tmp_path / "rows.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"rows.csv.gz can't be read"):
        run(model, tmp_path / "rows.csv.gz", tmp_path)
    assert not (tmp_path / "out.parquet").exists()


def test_several_files_are_one_output_with_their_names(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path
) -> None:
    first, second = put(tmp_path / "1.csv", ROWS[:7]), put(tmp_path / "2.csv", ROWS[7:], ",")
    found, _ = run(model, first, second, tmp_path)
    assert found["file"].to_list() == ["1.csv"] * 7 + ["2.csv"] * 13
    assert found.select("session", *TASKS).equals(expected.select("session", *TASKS))


def test_rows_that_cannot_be_used_keep_their_places(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path
) -> None:
    plain = ROWS.with_columns(device=pl.lit("phone"))
    good, _ = run(model, put(tmp_path / "good.csv", plain), tmp_path)
    lines = put(tmp_path / "rows.csv", plain).read_text().splitlines()
    lines[3] = "too;few"
    lines[5] = lines[5].replace(plain["price"][4], "cheap", 1)
    lines[6] = ""
    lines[20] = lines[20].replace(plain["when"][19], "yesterday", 1)
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    found, written = run(model, tmp_path / "rows.csv", tmp_path)
    assert (written.rows, written.refused) == (20, 4)
    bad = [2, 4, 5, 19]
    assert found["line"].to_list() == [*range(2, 22)]
    assert found["bought"].is_null().arg_true().to_list() == bad
    kept = [n for n in range(20) if n not in bad]
    assert found[kept].equals(good[kept])
    listed = {each["line"]: each["reason"] for each in refused(tmp_path / "out.parquet")}
    assert listed == {
        4: "2 fields instead of 12",
        6: "the column 'price' isn't a number",
        7: "an empty line",
        21: "the column 'when' isn't a date or time",
    }


class Giving:
    """A model that gives no number for some rows."""

    def __init__(self, model: RowModel) -> None:
        self.encoder, self.raw, self._model = model.encoder, model.raw, model

    def logits(self, encoded: pl.DataFrame, raw: pl.DataFrame) -> Logits:
        found = self._model.logits(encoded, raw)
        found[[1, 4], 0] = np.nan, np.inf
        return found


def test_a_row_without_a_number_is_listed(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path
) -> None:
    rows = ROWS.with_columns(
        price=pl.when(pl.int_range(20) == 0).then(pl.lit("x")).otherwise("price")
    )
    files = [put(tmp_path / "1.csv", rows[:3]), put(tmp_path / "2.csv", rows[3:])]
    found, written = run(Giving(model), *files, tmp_path)
    assert written.refused == 3
    assert found["bought"].is_null().arg_true().to_list() == [0, 2, 5]
    kept = [n for n in range(20) if n not in (0, 2, 5)]
    assert found[kept].select(TASKS).equals(expected[kept].select(TASKS))
    listed = [(e["file"], e["reason"]) for e in refused(tmp_path / "out.parquet")]
    assert listed[1:] == [(file, NO_NUMBER) for file in ("1.csv", "2.csv")]
    in_memory = Predictor(Giving(model)).predict(rows)
    assert in_memory["bought"].is_null().arg_true().to_list() == [0, 2, 5]


def test_without_a_usable_row_nothing_is_replaced(model: RowModel, tmp_path: Path) -> None:
    (tmp_path / "out.parquet").write_text("before")
    put(tmp_path / "rows.csv", ROWS.with_columns(price=pl.lit("cheap")))
    with pytest.raises(DataError, match="no row can be predicted") as error:
        run(model, tmp_path / "rows.csv", tmp_path)
    assert "20 rows, of which none can be used" in str(error.value)
    assert (tmp_path / "out.parquet").read_text() == "before"
    assert len(refused(tmp_path / "out.parquet")) == 20


def test_a_missing_column_is_an_error_before_anything_is_read(
    model: RowModel, tmp_path: Path
) -> None:
    good = put(tmp_path / "1.csv")
    other = put(tmp_path / "2.csv", ROWS.rename({"device": "devices"}))
    with pytest.raises(ParamsError, match="no column 'device'; did you mean 'devices'") as error:
        run(model, good, other, tmp_path)
    assert "2.csv, line 1" in str(error.value)


def test_a_file_without_a_key_has_lines_only(model: RowModel, tmp_path: Path) -> None:
    found, _ = run(model, put(tmp_path / "rows.csv", ROWS.drop("session")), tmp_path)
    assert found.columns == ["line", *TASKS]


def test_csv_output_has_the_same_numbers(
    model: RowModel, expected: pl.DataFrame, tmp_path: Path
) -> None:
    predict_files(model, [put(tmp_path / "rows.csv")], tmp_path / "out.csv")
    found = pl.read_csv(tmp_path / "out.csv", schema=expected.schema)
    assert found.equals(expected)


@pytest.mark.parametrize("name", ["out.txt", "out"])
def test_an_output_of_another_format_is_an_error(
    model: RowModel, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ParamsError, match="says no format"):
        predict_files(model, [put(tmp_path / "rows.csv")], tmp_path / name)


def test_predictions_never_replace_their_rows(model: RowModel, tmp_path: Path) -> None:
    rows = put(tmp_path / "rows.csv")
    with pytest.raises(ParamsError, match="would replace their rows"):
        predict_files(model, [rows], tmp_path / "x" / ".." / "rows.csv")


def test_globs_and_folders_stand_for_their_files(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv.gz", "c.parquet", "notes.md"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in find_files([str(tmp_path)])] == ["a.csv.gz", "b.csv", "c.parquet"]
    found = find_files([f"{tmp_path}/*.csv*", str(tmp_path / "b.csv")])
    assert [path.name for path in found] == ["a.csv.gz", "b.csv"]
    with pytest.raises(ParamsError, match=r"no file is found by .*d\*.csv"):
        find_files([f"{tmp_path}/d*.csv"])


def test_what_a_killed_process_left_goes_with_the_next_output(
    model: RowModel, tmp_path: Path
) -> None:
    left = tmp_path / ".out.parquet.parts.99999999.tmp"
    left.mkdir()
    run(model, put(tmp_path / "rows.csv"), tmp_path)
    assert not left.exists()


def test_a_text_file_cannot_have_the_blanks_of_a_table(tmp_path: Path) -> None:
    rows = pl.DataFrame({"word": [" a", "b", " a", "b"] * 20, "label": [0, 1] * 40})
    raw = put_parquet(tmp_path / "raw", "rows.parquet", rows)
    dataset = describe(raw, tasks={"label": CustomTask("label")})
    encoder = open_encoder(preprocessed(dataset, raw, tmp_path))
    rows.write_csv(tmp_path / "rows.csv")
    predictor = SimpleNamespace(encoder=encoder, columns=("word",))
    with pytest.raises(DataError, match="trained on text with blanks around it"):
        open_table(tmp_path / "rows.csv", "rows.csv", predictor)  # type: ignore[arg-type]
    assert open_table(raw / "rows.parquet", "rows", predictor).separator is None  # type: ignore[arg-type]
