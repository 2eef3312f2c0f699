"""Raw columns next to the processed splits: what they hold, and that nothing else changes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from emm.core.files import sha256
from emm.data.custom.roles import CustomColumns
from emm.data.datasets.census_income import COLUMNS, DATASET
from emm.data.datasets.dataset import Dataset
from emm.data.datasets.split_rules import ByTime
from emm.data.prepare.preprocess import preprocess
from emm.data.prepare.sample import Sample
from emm.data.tables.raw import open_raw, raw_columns
from emm.data.tables.schema import SPLITS
from tests.census import lines, write_raw
from tests.data.custom.custom_files import describe, make_table, preprocessed, put_csv

KEPT = ("age", "race", "instance_weight", "industry_code")
FACTS = ["columns.json", "inputs.json"]


def run(raw: Path, out: Path, **changed: Any) -> Path:
    out.mkdir()
    settings = {"seed": 0, "rare_below": 1, "rejected": out.parent / "rejected.jsonl", **changed}
    preprocess(DATASET, raw, out, tasks=("income", "never-married"), **settings)
    return out


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder)
    return folder


@pytest.fixture(scope="module")
def without(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(raw, tmp_path_factory.mktemp("without") / "out")


@pytest.fixture(scope="module")
def kept(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(raw, tmp_path_factory.mktemp("kept") / "out", raw_columns=KEPT)


def test_the_encoded_files_keep_their_bytes(without: Path, kept: Path) -> None:
    files = sorted(path.name for path in without.iterdir() if path.is_file())
    assert len(files) == 7
    assert [sha256(kept / name) for name in files] == [sha256(without / name) for name in files]


def test_without_raw_columns_only_facts_about_them_are_written(without: Path, kept: Path) -> None:
    assert sorted(path.name for path in (without / "raw").iterdir()) == FACTS
    kinds = raw_columns(without)
    assert kinds == raw_columns(kept)
    assert [*kinds] == [*COLUMNS]
    assert {name for name, kind in kinds.items() if kind == "number"} == {*DATASET.dense}
    assert {*kinds.values()} == {"number", "text"}


def test_train_has_the_values_of_its_lines_in_order(kept: Path) -> None:
    fields = [line.split(", ") for line in lines(600, 0)]
    train = pl.read_parquet(kept / "raw/train.parquet")
    assert train.columns == [*KEPT]
    assert train.dtypes == [pl.Float64, pl.String, pl.String, pl.String]
    assert train["age"].to_list() == [float(each[0]) for each in fields]
    for name in KEPT[1:]:
        assert train[name].to_list() == [each[COLUMNS.index(name)] for each in fields]


@pytest.mark.parametrize("split", SPLITS)
def test_rows_are_those_of_the_split(kept: Path, split: str) -> None:
    encoded, found = pl.read_parquet(kept / f"{split}.parquet"), open_raw(kept, split)
    assert len(found) == len(encoded)
    rows = pl.concat(found.batches(70))
    schema = json.loads((kept / "schema.json").read_text())
    (age,) = (each for each in schema["dense"] if each["name"] == "age")
    scaled = (rows["age"] - age["minimum"]) / (age["maximum"] - age["minimum"])
    assert encoded["age"].to_list() == scaled.cast(pl.Float32).to_list()
    # Equal ids stand for equal texts.
    pairs = pl.DataFrame({"id": encoded["race"], "text": rows["race"]}).unique()
    assert pairs["id"].n_unique() == len(pairs) == pairs["text"].n_unique()


def test_a_sample_has_its_own_rows(raw: Path, tmp_path: Path) -> None:
    out = run(raw, tmp_path / "out", raw_columns=["age"], sample=Sample(fraction=0.3))
    for split in SPLITS:
        encoded = pl.read_parquet(out / f"{split}.parquet")["age"]
        ages = pl.read_parquet(out / f"raw/{split}.parquet")["age"]
        assert encoded.rank("dense").to_list() == ages.rank("dense").to_list()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["ages"], r"no raw column is called 'ages'; did you mean 'age'\?(.|\n)*preprocess"),
        (["marital_status"], "'marital_status' reveals a label"),
    ],
)
def test_columns_that_cannot_be_kept(
    raw: Path, tmp_path: Path, names: Sequence[str], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        run(raw, tmp_path / "out", raw_columns=names)


def shop(folder: Path, table: pl.DataFrame, suffix: str, raw: Sequence[str], **of: Any) -> Dataset:
    if suffix == "csv":
        put_csv(folder, "visits.csv", table)
    else:
        table.write_parquet(folder / "visits.parquet")
    columns = CustomColumns(**{"carried": tuple(raw), "raw": tuple(raw), "drop": ("amount",)} | of)
    return describe(folder, columns=columns, split=ByTime("day", 0.1, 0.1))


def test_custom_text_stays_text_and_dense_columns_are_numbers(tmp_path: Path) -> None:
    table = make_table().with_columns(
        price=pl.when(pl.col("user") > 3).then(pl.col("price")),
        country=pl.when(pl.col("user") > 5).then(pl.col("country")),
    )
    names = ["zip", "price", "country", "device", "day", "amount"]
    dataset = shop(tmp_path, table, "csv", names)
    out = preprocessed(dataset, tmp_path, tmp_path, raw_columns=names)
    kinds = raw_columns(out)
    assert [kinds[name] for name in names] == ["text", "number", "text", "text", "text", "text"]
    assert [*kinds] == table.columns
    found = pl.concat(pl.read_parquet(out / f"raw/{split}.parquet") for split in SPLITS)
    for name in ("zip", "price", "country", "day"):
        assert found[name].to_list() == table[name].to_list(), name
    assert found["device"].to_list() == table["device"].cast(pl.String).to_list()


def test_custom_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    table = make_table().with_columns(
        big=pl.int_range(pl.len()) + 2**60,
        level=pl.col("device").cast(pl.Float64) / 2,
        member=pl.col("user") > 7,
        day=pl.col("day").str.to_date(),
    )
    names = ["big", "level", "member", "day", "views"]
    dataset = shop(tmp_path, table, "parquet", names, sparse=("big", "level", "member"))
    out = preprocessed(dataset, tmp_path, tmp_path, raw_columns=names)
    kinds = raw_columns(out)
    assert [kinds[name] for name in names] == ["integer", "number", "integer", "text", "number"]
    found = pl.concat(pl.read_parquet(out / f"raw/{split}.parquet") for split in SPLITS)
    for name in ("big", "level", "views"):
        assert found[name].to_list() == table[name].to_list(), name
    assert found["member"].to_list() == table["member"].cast(int).to_list()
    assert found["day"].to_list() == table["day"].cast(pl.String).to_list()


def test_lists_are_no_raw_columns(tmp_path: Path) -> None:
    table = make_table().with_columns(pl.col("genres").str.split("|"))
    dataset = shop(tmp_path, table, "parquet", ["genres"], bags={"genres": "|"})
    with pytest.raises(ParamsError, match="no raw column is called 'genres'"):
        preprocessed(dataset, tmp_path, tmp_path, raw_columns=["genres"])


def test_texts_of_several_values_are_kept_as_they_are(tmp_path: Path) -> None:
    for bags in (False, True):
        folder = tmp_path / str(bags)
        folder.mkdir()
        dataset = shop(folder, make_table(), "csv", ["genres"], bags={"genres": "|"})
        out = preprocessed(dataset, folder, folder, raw_columns=["genres"], bags=bags)
        found = pl.concat(pl.read_parquet(out / f"raw/{split}.parquet") for split in SPLITS)
        assert found["genres"].to_list() == make_table()["genres"].to_list()


def test_rejected_lines_are_shown_as_they_are(tmp_path: Path) -> None:
    table = make_table().with_columns(
        day=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("")).otherwise(pl.col("day"))
    )
    shown = []
    for number, names in enumerate(([], ["day"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        dataset = shop(folder, table, "csv", names)
        preprocessed(dataset, folder, folder, raw_columns=names, max_rejected=0.1)
        shown.append((folder / "rejected.jsonl").read_text())
    assert shown[0] == shown[1] != ""


def test_whole_numbers_beyond_64_bits_with_a_sign_are_an_error(tmp_path: Path) -> None:
    table = make_table().with_columns(code=pl.lit(2**63 + 1, pl.UInt64))
    dataset = shop(tmp_path, table, "parquet", ["code"], sparse=("code",))
    with pytest.raises(DataError, match="a raw column has values of another type"):
        preprocessed(dataset, tmp_path, tmp_path, raw_columns=["code"])
