"""`check-data` after preprocessing, on tables as people have them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from stages.check_data import main as check_data
from stages.download import main as download
from stages.preprocess import main as preprocess
from tests.configuration import CENSUS, Tree, copy_conf, edit

USERS, ROWS = 40, 2000
RANDOM = {"by": "random", "validation": 0.1, "test": 0.1}


def events(rate: float = 0.3) -> pl.DataFrame:
    """Rows of users in the order of time, with a label that price and user influence."""
    draw = np.random.default_rng(0)
    user = draw.integers(0, USERS, ROWS)
    price = draw.random(ROWS).round(4)
    chance = rate * (0.5 + price) * (0.8 + 0.01 * user)
    return pl.DataFrame(
        {
            "day": [f"2026-03-{day:02}" for day in np.sort(draw.integers(1, 29, ROWS))],
            "user": user,
            "price": price,
            "channel": draw.choice(["ads", "mail", "shop"], ROWS),
            "bought": (draw.random(ROWS) < chance).astype(int),
        }
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    edit(copy_conf(tmp_path), lambda tree: tree.update(datasets=["shop"]))
    return tmp_path


def checked(root: Path, rows: pl.DataFrame, split: Tree, **custom: object) -> dict[str, Any]:
    """Preprocess and check the rows; returns the observations."""
    rows.write_csv(root / "mine/shop.csv")
    described = {"tasks": {"buy": "bought"}, "split": split, **custom}
    data = {
        "base": f"../{CENSUS}/data.yaml",
        "source": {"path": "mine"},
        "tasks": ["buy"],
        "custom": described,
        "check-data": {"max_shared_rows": 0.05, "max_rate_difference": 0.5},
    }
    edit(root / "conf/shop/data.yaml", lambda tree: tree.update(data))
    download("shop")
    preprocess("shop")
    check_data("shop")
    found: dict[str, Any] = json.loads((root / "data/checks/shop.json").read_text())
    return found


def test_rows_written_eight_times_stop(root: Path) -> None:
    rows = pl.concat([events()[:300]] * 8).sample(fraction=1, shuffle=True, seed=0)
    with pytest.raises(DataError, match=r"test: 240 of 240 rows \(100\.0%, more than 5\.0%\)"):
        checked(root, rows, RANDOM, drop=["day"])
    assert not (root / "data/checks/shop.json").exists()


def test_users_of_a_split_by_time_may_be_in_every_split(root: Path) -> None:
    split = {"by": "time", "column": "day", "validation": 0.2, "test": 0.2}
    seen = checked(root, events(), split, key="user")
    assert seen["shared_keys"]["train, test"] == USERS
    assert seen["rows_of_shared_keys"] == {s: seen["rows"][s] for s in ("validation", "test")}


@pytest.mark.parametrize("sparse", [["channel"], ["channel", "user"]])
def test_an_honest_split_by_key_passes(root: Path, sparse: list[str]) -> None:
    """Also if the key is a feature, whose ids of unseen users are all 0."""
    split = {"by": "key", "validation": 0.15, "test": 0.15}
    seen = checked(root, events(), split, key="user", sparse=sparse, dense=["price"])
    assert not any(seen["shared_keys"].values())


def test_an_honest_random_split_of_a_rare_label_passes(root: Path) -> None:
    seen = checked(root, events(0.02), RANDOM)
    rates = {s: seen["positives"][s]["buy"] / seen["labelled"][s]["buy"] for s in seen["rows"]}
    assert max(rates.values()) > 1.2 * min(rates.values())
    assert "test has only" in seen["warnings"][0]


def test_positives_in_train_and_validation_alone_stop(root: Path) -> None:
    last = pl.int_range(pl.len()) > 0.7 * ROWS
    rows = events().with_columns(bought=pl.when(last).then(0).otherwise("bought"))
    split = {"by": "time", "column": "day", "validation": 0.4, "test": 0.2}
    with pytest.raises(DataError, match=r"test: no row of 'buy' has the label 1 .* test: 0 of"):
        checked(root, rows, split)


def test_the_rows_that_train_has_too_are_written(root: Path) -> None:
    found = checked(root, events().with_columns(price=pl.col("price").round(1)), RANDOM)
    seen = pl.read_parquet(root / "data/checks/shop-seen.parquet")
    rows = {split: found["rows"][split] for split in ("validation", "test")}
    assert seen["split"].to_list() == [s for s, count in rows.items() for _ in range(count)]
    counts = {split: int(seen.filter(split=split)["seen"].sum()) for split in rows}
    assert counts == found["repeated_features"]
    assert 0 < counts["test"] < rows["test"]


def test_a_former_setting_is_refused_with_the_nearest_name(root: Path) -> None:
    edit(
        root / f"conf/{CENSUS}/data.yaml", lambda tree: tree["check-data"].update(rate_tolerance=1)
    )
    with pytest.raises(
        ParamsError, match="rate_tolerance: unknown key; did you mean 'max_rate_diff"
    ):
        check_data(CENSUS)
