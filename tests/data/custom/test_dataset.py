"""From a block of params.yaml with a table to its raw files and its dataset."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from emm.config import CustomDataSettings, Params, SplitSettings, load_params
from emm.core.errors import DownloadError, ParamsError
from emm.data.custom.dataset import dataset_of, split_of
from emm.data.datasets.dataset import load_dataset
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
from stages.download import main as download
from tests.data.custom.custom_files import make_table, put_csv

ROOT = Path(__file__).parents[3]
CENSUS = "census-income"
SHOP = """
like: census-income
source: {path: mine}
tasks: [visit, purchase]
table:
  tasks: {visit: visited, purchase: "orders > 0", spend: {expression: amount, kind: regression}}
  bags: {genres: "|"}
  split: {by: time, column: day, validation: 0.1, test: 0.1}
"""
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root with params.yaml and own data in the folder `mine`."""
    monkeypatch.chdir(tmp_path)
    put_csv(tmp_path / "mine", "visits.csv", make_table())
    write_params(lambda tree: None)
    return tmp_path


def write_params(change: Change) -> None:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    tree["shop"] = yaml.safe_load(SHOP)
    change(tree["shop"])
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


def fetched() -> Params:
    download("shop")
    return load_params()


def test_own_data_is_fetched_pinned_and_described(project: Path) -> None:
    dataset = dataset_of(fetched(), "shop")
    assert [path.name for path in (project / "data/raw/shop").iterdir()] == ["visits.csv"]
    assert [*json.loads((project / "pins/shop.json").read_text())] == ["visits.csv"]
    assert dataset.name == "shop"
    assert [*dataset.tasks] == ["visit", "purchase", "spend"]
    assert dataset.bags == ("genres",)


def test_packed_own_data_is_unpacked(project: Path) -> None:
    plain = project / "mine/visits.csv"
    (project / "mine/visits.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert dataset_of(fetched(), "shop").dense == ("price", "views")


def test_own_data_without_a_path_is_looked_for_in_its_place(project: Path) -> None:
    write_params(lambda block: block.update(source={"path": None}))
    with pytest.raises(DownloadError) as error:
        download("shop")
    assert str(error.value).splitlines()[-1] == (
        "  next: put them into placed/shop/, or set shop.source.path in params.yaml to their "
        "folder, file or archive, then run: dvc repro"
    )
    (project / "placed").mkdir()
    (project / "mine").rename(project / "placed/shop")
    assert dataset_of(fetched(), "shop").name == "shop"


def test_the_samples_key_is_read_too() -> None:
    write_params(lambda block: block.update(preprocess={"sample": {"key": "zip", "fraction": 0.5}}))
    assert "zip" in dataset_of(fetched(), "shop").sparse


def test_blocks_may_share_own_data() -> None:
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["small"] = {"like": "shop", "dataset": "shop", "tasks": ["visit"]}
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    params = fetched()
    assert params.paths("small").raw == params.paths("shop").raw
    assert dataset_of(params, "small").name == "shop"


def test_faults_of_a_table_are_those_of_params_yaml() -> None:
    write_params(lambda block: block["table"].update(separator="::"))
    with pytest.raises(ParamsError, match=r"shop\.table\.separator"):
        load_params()


def test_a_block_without_a_table_is_a_registered_dataset() -> None:
    params = load_params()
    assert dataset_of(params, CENSUS) is load_dataset(CENSUS)
    write_params(lambda block: block.pop("table"))
    with pytest.raises(ParamsError, match="no dataset is called 'shop'"):
        dataset_of(load_params(), "shop")


def test_a_registered_datasets_tasks_are_checked() -> None:
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree[CENSUS]["tasks"] = ["incom"]
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    with pytest.raises(ParamsError, match="did you mean 'income'"):
        dataset_of(load_params(), CENSUS)


def table(**keys: Any) -> CustomDataSettings:
    return CustomDataSettings(tasks={}, **keys)


def by(rule: str, **keys: Any) -> CustomDataSettings:
    return table(split=SplitSettings(rule, **keys), key="user")


FILES = {"train": ("a",), "test": ("b",)}


@pytest.mark.parametrize(
    ("section", "rule"),
    [
        (by("time", column="day", validation=0.1, test=0.2), ByTime("day", 0.1, 0.2)),
        (by("key", validation=0.1, test=0.2), ByKey("user", 0.1, 0.2)),
        (by("key", column="shop", validation=0.1, test=0.2), ByKey("shop", 0.1, 0.2)),
        (by("column", column="year", validation=1, test=[2]), ByColumn("year", ("1",), ("2",))),
        (by("random", validation=0.1, test=0.2), Randomly(0.1, 0.2)),
        (table(**FILES), Halved()),
        (table(**FILES, split=SplitSettings("file")), Halved()),
        (table(**FILES, split=SplitSettings("file", None, 0.1)), HeldOut(0.1)),
        (table(**FILES, split=SplitSettings("file", "user", 0.1)), HeldOut(0.1, "user")),
        (table(**FILES, validation=("c",)), AsPublished()),
    ],
)
def test_a_tables_split_is_a_rule(section: CustomDataSettings, rule: Split) -> None:
    assert split_of(section) == rule
