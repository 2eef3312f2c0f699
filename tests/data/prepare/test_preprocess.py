import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from emm.core.files import sha256
from emm.data.datasets.census_income import DATASET
from emm.data.prepare.preprocess import preprocess
from emm.data.tables.names import WEIGHT, label_column
from emm.data.tables.schema import SPLITS, load_schema
from tests.census import lines, write_raw

TASKS = ("income", "never-married")


def run(raw: Path, out: Path, tasks: Sequence[str] = TASKS, **changed: Any) -> Path:
    out.mkdir()
    settings = {"seed": 0, "rare_below": 1, "rejected": out.parent / "rejected.jsonl", **changed}
    preprocess(DATASET, raw, out, tasks=tasks, **settings)
    return out


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder)
    return folder


@pytest.fixture(scope="module")
def processed(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(raw, tmp_path_factory.mktemp("processed") / "out")


def test_census_has_7_dense_and_32_sparse_columns(processed: Path) -> None:
    schema = load_schema(processed / "schema.json")
    assert (len(schema.dense), len(schema.sparse)) == (7, 32)
    assert not {"instance_weight", "income", "marital_status"} & {
        *schema.dense_names,
        *schema.sparse_names,
    }


def test_the_published_test_part_is_halved_and_train_is_unchanged(processed: Path) -> None:
    schema = load_schema(processed / "schema.json")
    assert [schema.splits[split].rows for split in SPLITS] == [600, 200, 200]
    for task in TASKS:
        rates = [schema.splits[split].positive_rate[task] for split in ("validation", "test")]
        assert rates[0] == pytest.approx(rates[1], abs=0.011)


def test_rows_of_train_keep_their_order_and_labels(processed: Path, raw: Path) -> None:
    fields = [line.split(", ") for line in lines(600, 0)]
    train = pl.read_parquet(processed / "train.parquet")
    assert train[label_column("income")].to_list() == [int(f[41] == "50000+.") for f in fields]
    assert train[label_column("never-married")].to_list() == [
        int(f[7] == "Never married") for f in fields
    ]
    ages = [int(f[0]) for f in fields]
    scaled = [(age - min(ages)) / (max(ages) - min(ages)) for age in ages]
    assert train["age"].to_list() == pytest.approx(scaled, abs=1e-6)


def test_weights_are_stored_unchanged(processed: Path, raw: Path) -> None:
    weights = [float(line.split(", ")[24]) for line in lines(600, 0)]
    assert load_schema(processed / "schema.json").weight == "instance_weight"
    assert pl.read_parquet(processed / "train.parquet")[WEIGHT].to_list() == weights


def test_another_column_may_weigh_the_rows(raw: Path, tmp_path: Path) -> None:
    out = run(raw, tmp_path / "out", weight="wage_per_hour", max_rejected=1.0)
    schema = load_schema(out / "schema.json")
    assert schema.weight == "wage_per_hour"
    assert "wage_per_hour" not in [*schema.dense_names, *schema.sparse_names]
    wages = [float(line.split(", ")[5]) for line in lines(600, 0)]
    stored = pl.read_parquet(out / "train.parquet")[WEIGHT].to_list()
    assert stored == [wage for wage in wages if wage > 0]
    assert (tmp_path / "rejected.jsonl").read_text().count("isn't a number above 0") > 0


def test_a_weight_that_does_not_exist_is_an_error(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no column is called 'wages'"):
        run(raw, tmp_path / "out", weight="wages")


@pytest.mark.parametrize("weight", ["0", "-1", "many", "nan", "?"])
def test_an_invalid_weight_is_an_error_with_its_line_number(tmp_path: Path, weight: str) -> None:
    write_raw(tmp_path / "raw")
    path = tmp_path / "raw" / DATASET.source.files[0].name
    rows = path.read_text().splitlines()
    fields = rows[6].split(", ")
    fields[24] = weight
    rows[6] = ", ".join(fields)
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(
        DataError, match=r"weight 'instance_weight' isn't a number above 0"
    ) as error:
        run(tmp_path / "raw", tmp_path / "out")
    assert "line 7" in str(error.value)


def test_validation_and_test_together_are_the_published_test_part(processed: Path) -> None:
    halves = [pl.read_parquet(processed / f"{split}.parquet") for split in ("validation", "test")]
    together = pl.concat(halves)
    ages = sorted(int(line.split(", ")[0]) for line in lines(400, 1))
    schema = load_schema(processed / "schema.json")
    low, high = schema.dense[0].minimum, schema.dense[0].maximum
    found = sorted(round(value * (high - low) + low) for value in together["age"])
    assert found == ages


def test_the_same_input_and_seed_give_the_same_bytes(
    processed: Path, raw: Path, tmp_path: Path
) -> None:
    again = run(raw, tmp_path / "again")
    files = sorted(path.name for path in processed.iterdir() if path.is_file())
    assert [sha256(again / name) for name in files] == [sha256(processed / name) for name in files]


def test_another_seed_changes_validation_and_test_only(
    processed: Path, raw: Path, tmp_path: Path
) -> None:
    other = run(raw, tmp_path / "other", seed=1)
    changed = {
        name
        for name in ("train", "validation", "test")
        if sha256(other / f"{name}.parquet") != sha256(processed / f"{name}.parquet")
    }
    assert changed == {"validation", "test"}


def test_vocabularies_depend_on_train_only(raw: Path, processed: Path, tmp_path: Path) -> None:
    changed = tmp_path / "raw"
    write_raw(changed)
    test = changed / "census-income.test"
    test.write_text(test.read_text().replace("grade 1", "grade only in test"))
    other = run(changed, tmp_path / "out")
    name = "vocabularies.parquet"
    assert sha256(other / name) == sha256(processed / name)
    assert pl.read_parquet(other / "test.parquet")["education"].min() == 0


def test_columns_that_reveal_a_task_are_not_features(raw: Path, tmp_path: Path) -> None:
    out = run(raw, tmp_path / "out", tasks=["income"])
    names = pl.read_parquet_schema(out / "train.parquet")
    assert label_column("income") in names
    assert label_column("never-married") not in names
    assert "marital_status" not in names


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("50000+.", "50000", "'label income' has no known value"),
        ("- 50000.", "1", "'label income' has no known value"),
        ("Widowed", "Vidowed", "'label never-married' has no known value"),
    ],
)
def test_an_unknown_label_is_an_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_raw(tmp_path / "raw", train=50, test=20)
    file = tmp_path / "raw" / "census-income.data"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        run(tmp_path / "raw", tmp_path / "out")


def test_an_invalid_number_is_an_error_with_its_line_number(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", train=50, test=20)
    file = tmp_path / "raw" / "census-income.data"
    text = file.read_text().splitlines()
    text[6] = "old" + text[6][text[6].index(",") :]
    file.write_text("\n".join(text))
    with pytest.raises(DataError, match=r"(?s)'age' isn't a number.*line 7\b"):
        run(tmp_path / "raw", tmp_path / "out")


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", train=50, test=20)
    file = tmp_path / "raw" / "census-income.test"
    file.write_text("\n".join(line.partition(", ")[2] for line in file.read_text().splitlines()))
    with pytest.raises(DataError, match=r"(?s)line 1\n.*got: 41 fields"):
        run(tmp_path / "raw", tmp_path / "out")


def test_a_few_bad_lines_are_rejected_and_listed(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw")
    file = tmp_path / "raw" / "census-income.data"
    text = file.read_text().splitlines()
    text[6] = "old" + text[6][text[6].index(",") :]
    text[9] = text[9].rpartition(", ")[0]
    file.write_text("\n".join(text) + "\n")
    out = run(tmp_path / "raw", tmp_path / "out", max_rejected=0.01)
    assert load_schema(out / "schema.json").splits["train"].rows == 598
    records = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert sorted((each["line"], each["reason"]) for each in records) == [
        (7, "the column 'age' isn't a number"),
        (10, "41 fields instead of 42"),
    ]


def test_without_bad_lines_the_list_is_empty(raw: Path, tmp_path: Path) -> None:
    run(raw, tmp_path / "out")
    assert (tmp_path / "rejected.jsonl").read_text() == ""


def test_only_the_results_remain(processed: Path) -> None:
    names = sorted(path.name for path in processed.iterdir())
    assert names == [
        "bags.parquet",
        "groups.parquet",
        "raw",
        "schema.json",
        "test.parquet",
        "train.parquet",
        "validation.parquet",
        "vocabularies.parquet",
    ]


def test_a_kept_column_is_stored_unchanged(tmp_path: Path, raw: Path) -> None:
    out = run(raw, tmp_path / "out", keep=("instance_weight", "education"))
    schema = load_schema(out / "schema.json")
    assert schema.kept == ("instance_weight",)
    assert "instance_weight" not in [*schema.dense_names, *schema.sparse_names]
    fields = [line.split(", ") for line in lines(600, 0)]
    kept = pl.read_parquet(out / "train.parquet")["instance_weight"].cast(pl.Float64)
    assert kept.to_list() == [float(each[24]) for each in fields]


def test_empty_fields_of_the_schema_are_not_written(processed: Path) -> None:
    text = (processed / "schema.json").read_text()
    assert not [key for key in ("kept", "funnel") if f'"{key}"' in text]


def test_a_kept_column_that_does_not_exist_is_an_error(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(ParamsError, match="no column is called 'search'"):
        run(raw, tmp_path / "out", keep=("search",))


def test_a_dense_column_can_not_be_kept(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(ParamsError, match="'age' can't be kept unencoded: it is a dense feature"):
        run(raw, tmp_path / "out", keep=("age",))
