"""From conf/<dataset>/data.yaml with a section `custom` to its raw files and its dataset."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from emm.config.project import load_project
from emm.core.errors import DownloadError, ParamsError
from emm.data.custom.dataset import split_of
from emm.data.custom.settings import CustomDataSettings, SplitSettings
from emm.data.datasets.dataset import Dataset, load_dataset
from emm.data.datasets.split_rules import (
    AsPublished,
    ByColumn,
    ByKey,
    ByTime,
    Halved,
    HeldOut,
    Randomly,
    Split,
)
from emm.data.prepare.dataset import dataset_of
from emm.data.tables.names import WEIGHT
from emm.data.tables.schema import load_schema
from stages.download import main as download
from stages.preprocess import main as preprocess
from tests.configuration import CENSUS, Change, copy_conf, edit
from tests.data.custom.custom_files import make_table, put_csv

SHOP = """
base: ../census-income/data.yaml
source: {path: mine}
tasks: [visit, purchase]
custom:
  tasks: {visit: visited, purchase: "orders > 0", spend: {expression: amount, kind: regression}}
  bags: {genres: "|"}
  split: {by: time, column: day, validation: 0.1, test: 0.1}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root with params.yaml, conf/ and custom data in the folder `mine`."""
    monkeypatch.chdir(tmp_path)
    put_csv(tmp_path / "mine", "visits.csv", make_table())
    copy_conf(tmp_path)
    edit(tmp_path / "conf/shop/data.yaml", lambda tree: tree.update(yaml.safe_load(SHOP)))
    return tmp_path


def change(settings: Change, dataset: str = "shop") -> None:
    edit(Path(f"conf/{dataset}/data.yaml"), settings)


def described(dataset: str = "shop") -> Dataset:
    """The dataset that a folder of conf/ describes."""
    project = load_project()
    return dataset_of(project.data(dataset), project.source(dataset), project.paths(dataset).raw)


def fetched(dataset: str = "shop") -> Dataset:
    download("shop")
    return described(dataset)


def test_custom_data_is_fetched_pinned_and_described(project: Path) -> None:
    dataset = fetched()
    assert [path.name for path in (project / "data/raw/shop").iterdir()] == ["visits.csv"]
    assert [*json.loads((project / "pins/shop.json").read_text())] == ["visits.csv"]
    assert dataset.name == "shop"
    assert [*dataset.tasks] == ["visit", "purchase", "spend"]
    assert dataset.bags == ("genres",)


def test_compressed_custom_data_is_unpacked(project: Path) -> None:
    plain = project / "mine/visits.csv"
    (project / "mine/visits.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert fetched().dense == ("price", "views")


def test_custom_data_without_a_path_is_looked_for_in_placed(project: Path) -> None:
    change(lambda tree: tree.update(source={"path": None}))
    with pytest.raises(DownloadError) as error:
        download("shop")
    assert str(error.value).splitlines()[-1] == (
        "  next: put them into placed/shop/, or set source.path in conf/shop/data.yaml to their "
        "folder, file or archive, then run: dvc repro"
    )
    (project / "placed").mkdir()
    (project / "mine").rename(project / "placed/shop")
    assert fetched().name == "shop"


def test_the_samples_key_is_read_too() -> None:
    change(lambda tree: tree.update(preprocess={"sample": {"key": "zip", "fraction": 0.5}}))
    assert "zip" in fetched().sparse


def test_a_dropped_column_may_weigh_the_rows(project: Path) -> None:
    change(lambda tree: tree["custom"].update(drop=["views", "genres"], bags={}))
    change(lambda tree: tree.update(preprocess={"weight": "views", "max_rejected": 0.1}))
    download("shop")
    preprocess("shop")
    schema = load_schema(project / "data/processed/shop/schema.json")
    weights = pl.read_parquet(project / "data/processed/shop/train.parquet")[WEIGHT]
    assert schema.weight == "views"
    assert {*weights} <= {*range(1, 400)}


def test_datasets_may_share_custom_data() -> None:
    small = {"base": "../shop/data.yaml", "dataset": "shop", "tasks": ["visit"]}
    change(lambda tree: tree.update(small), "small")
    dataset, project = fetched("small"), load_project()
    assert project.paths("small").raw == project.paths("shop").raw
    assert dataset.name == "shop"


def test_faults_of_the_section_are_found_before_files_are_fetched(project: Path) -> None:
    change(lambda tree: tree["custom"].update(separator="::", files=["2024/*.csv"]))
    with pytest.raises(ParamsError, match=r"custom\.separator: got '::'") as error:
        download("shop")
    assert "conf/shop/data.yaml" in str(error.value)
    assert "custom: got '2024/*.csv', expected a name or glob" in str(error.value)
    assert not (project / "data").exists()
    with pytest.raises(ParamsError, match=r"custom\.separator: got '::'"):
        described()


def test_a_dataset_without_the_section_is_a_registered_one() -> None:
    assert described(CENSUS) is load_dataset(CENSUS)
    change(lambda tree: tree.update(custom=None))
    for use in (described, download):
        with pytest.raises(ParamsError, match="no dataset is called 'shop'"):
            use("shop")


def test_the_tasks_of_a_registered_dataset_are_checked() -> None:
    change(lambda tree: tree.update(tasks=["incom"]), CENSUS)
    with pytest.raises(ParamsError, match="did you mean 'income'"):
        described(CENSUS)


def test_the_tasks_of_custom_data_are_checked() -> None:
    change(lambda tree: tree.update(tasks=["visits"]))
    with pytest.raises(ParamsError, match="tasks: no task is called 'visits'; did you mean 'visit"):
        described()


def section(**keys: Any) -> CustomDataSettings:
    return CustomDataSettings(tasks={}, **keys)


def by(rule: str, **keys: Any) -> CustomDataSettings:
    return section(split=SplitSettings(rule, **keys), key="user")


FILES = {"train": ("a",), "test": ("b",)}


@pytest.mark.parametrize(
    ("custom", "rule"),
    [
        (by("time", column="day", validation=0.1, test=0.2), ByTime("day", 0.1, 0.2)),
        (by("key", validation=0.1, test=0.2), ByKey("user", 0.1, 0.2)),
        (by("key", column="shop", validation=0.1, test=0.2), ByKey("shop", 0.1, 0.2)),
        (by("column", column="year", validation=1, test=[2]), ByColumn("year", ("1",), ("2",))),
        (by("random", validation=0.1, test=0.2), Randomly(0.1, 0.2)),
        (section(**FILES), Halved()),
        (section(**FILES, split=SplitSettings("file")), Halved()),
        (section(**FILES, split=SplitSettings("file", None, 0.1)), HeldOut(0.1)),
        (section(**FILES, split=SplitSettings("file", "user", 0.1)), HeldOut(0.1, "user")),
        (section(**FILES, validation=("c",)), AsPublished()),
    ],
)
def test_the_split_of_the_section_is_a_rule(custom: CustomDataSettings, rule: Split) -> None:
    assert split_of(custom) == rule
