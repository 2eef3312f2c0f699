"""Census-Income in its published form: without a header, with blanks after the commas."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.api.opening import open_model
from emm.core.errors import ParamsError
from emm.data.datasets.census_income import COLUMNS, SOURCE
from emm.predict.model import RowModel
from emm.predict.run import predict_files
from tests.census import lines
from tests.predict.projects import build, evaluated, inside

NAME = "census-income"
DATA = {
    "source": {"path": None},
    "custom": None,
    "tasks": ["income", "never-married"],
    "preprocess": {"seed": 0, "rare_below": 1, "max_rejected": 0.0},
    "evaluate": {"calibration_bins": 5},
}


@pytest.fixture(scope="module")
def census(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose published test rows are split in validation and test."""
    files = zip(SOURCE.files, (300, 200), strict=True)
    raw = {file.name: "\n".join(lines(n, n)) + "\n" for file, n in files}
    return build(tmp_path_factory.mktemp("census"), NAME, DATA, raw, ("tm-1",))


@pytest.fixture(scope="module")
def model(census: Path) -> RowModel:
    with inside(census):
        return open_model(f"{NAME}/tiny/tm-1").model


@pytest.fixture(scope="module")
def published(
    census: Path, model: RowModel, tmp_path_factory: pytest.TempPathFactory
) -> pl.DataFrame:
    """The predictions of the published test file."""
    out = tmp_path_factory.mktemp("published") / "out.parquet"
    raw = census / "data/raw" / NAME / SOURCE.files[1].name
    predict_files(model, [raw], out, as_logits=True)
    return pl.read_parquet(out)


def test_its_rows_have_the_logits_of_evaluate(census: Path, published: pl.DataFrame) -> None:
    stored = evaluated(census, NAME, "tm-1")
    found = published.select("income", "never-married").to_numpy()
    assert published["line"].to_list() == [*range(1, 201)]
    rows = {tuple(row) for row in found}
    assert len(stored) == 100
    assert {tuple(row) for row in stored} <= rows


def test_a_header_with_the_names_of_the_columns(
    model: RowModel, published: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([", ".join(reversed(COLUMNS)), *map(turned, lines(200, 200))]))
    predict_files(model, [path], tmp_path / "out.parquet", as_logits=True)
    found = pl.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(found[:, 1:].to_numpy(), published[:, 1:].to_numpy())


def turned(line: str) -> str:
    return ", ".join(reversed(line.split(", ")))


def test_a_header_with_a_wrong_name_is_no_row(model: RowModel, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    names = ["races" if name == "race" else name for name in COLUMNS]
    path.write_text("\n".join([",".join(names), *lines(5, 0)]))
    with pytest.raises(ParamsError, match="no column 'race'; did you mean 'races'"):
        predict_files(model, [path], tmp_path / "out.parquet")


def test_another_number_of_fields_has_no_header_and_is_an_error(
    model: RowModel, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(line + ", more" for line in lines(5, 0)))
    with pytest.raises(ParamsError, match="no column 'age'"):
        predict_files(model, [path], tmp_path / "out.parquet")
