"""`emm predict`: from raw files to predictions, in words and exit codes."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.commands import cli
from emm.core.errors import ModelFileError, ParamsError
from tests.predict.projects import inside
from tests.predict.shops import NAME, build_shop, visits

ROW = f"{NAME}/tiny/tm-1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shop(tmp_path_factory.mktemp("command"), ("tm-1",))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of rows, the second of which can't be used."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    visits()[:9].with_columns(
        price=pl.when(pl.int_range(9) == 1).then(pl.lit("cheap")).otherwise("price")
    ).write_csv(path)
    return path


def predict(shop: Path, *arguments: Any) -> None:
    with inside(shop):
        cli.app(["predict", *map(str, arguments)], standalone_mode=False)


def test_it_says_what_it_wrote(
    shop: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(shop, ROW, rows, "--out", tmp_path / "out.parquet")
    said = capsys.readouterr().err
    assert f"{tmp_path / 'out.parquet'}: 9 rows in" in said
    assert "1 of them can't be used and have no predictions" in said
    assert "1 of 15 columns differ from train's, with a PSI of 0.2 or more: views" in said
    assert pl.read_parquet(tmp_path / "out.parquet")["bought"].null_count() == 1
    assert json.loads((tmp_path / "out.parquet.drift.json").read_text())["rows"] == 8


def test_a_row_without_a_recipe_is_of_the_active_one(
    shop: Path, rows: Path, tmp_path: Path
) -> None:
    predict(shop, ROW, rows, "--out", tmp_path / "long.csv")
    predict(shop, f"{NAME}/tm-1", rows, "--out", tmp_path / "short.csv")
    assert (tmp_path / "long.csv").read_bytes() == (tmp_path / "short.csv").read_bytes()


def test_logits_in_place_of_probabilities(shop: Path, rows: Path, tmp_path: Path) -> None:
    predict(shop, ROW, rows, "--out", tmp_path / "p.parquet")
    predict(shop, ROW, rows, "--out", tmp_path / "l.parquet", "--logits")
    logit = pl.read_parquet(tmp_path / "l.parquet")["bought"]
    probability = pl.read_parquet(tmp_path / "p.parquet")["bought"]
    assert (1 / (1 + (-logit).exp()) - probability).abs().max() < 1e-6


def test_the_params_of_another_folder(shop: Path, rows: Path, tmp_path: Path) -> None:
    arguments = ["predict", ROW, str(rows), "--out", str(tmp_path / "out.csv")]
    with inside(tmp_path):
        cli.app([*arguments, "--params", str(shop / "params.yaml")], standalone_mode=False)
    assert (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"{NAME}/tiny/tm-2", "no trained model is called 'tm-2'; did you mean 'tm-1'"),
        (f"{NAME}/tuned/tm-1", "no recipe is called 'tuned'"),
        ("shopp/tiny/tm-1", "no dataset is called 'shopp'; did you mean 'shop'"),
        ("shop", "neither a row of the table nor the folder of an exported model"),
        ("a/b/c/d", "neither a row of the table"),
    ],
)
def test_an_unknown_model_is_an_error(
    shop: Path, rows: Path, tmp_path: Path, row: str, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        predict(shop, row, rows, "--out", tmp_path / "out.csv")


def test_a_seed_that_was_not_trained_is_an_error(shop: Path, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model of seed 7") as error:
        predict(shop, ROW, rows, "--out", tmp_path / "out.csv", "--seed", 7)
    assert "seeds 3" in str(error.value)


def test_a_file_that_does_not_exist_is_an_error(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"no file is found by 'none.csv'"):
        predict(shop, ROW, "none.csv", "--out", tmp_path / "out.csv")


def test_another_encoding_than_that_of_the_model_is_an_error(
    shop: Path, rows: Path, tmp_path: Path
) -> None:
    file = shop / "data/processed" / NAME / "schema.json"
    before = file.read_bytes()
    file.write_bytes(before.replace(b'"title": "shop"', b'"title": "other"'))
    try:
        with pytest.raises(ModelFileError, match="another encoding"):
            predict(shop, ROW, rows, "--out", tmp_path / "out.csv")
    finally:
        file.write_bytes(before)
