from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.datasets import aliexpress
from emm.data.datasets.split_rules import HeldOut
from tests.data.datasets.reading import csv, labels, read

HEADER = ",".join(
    [
        "search_id",
        *(f"categorical_{number}" for number in range(1, 17)),
        *(f"numerical_{number}" for number in range(1, 64)),
        "click",
        "conversion",
    ]
)


def line(search: int, click: int, conversion: int) -> str:
    categorical = [str(100 * search + number) for number in range(1, 17)]
    numerical = [f"{number / 64}" for number in range(1, 64)]
    return ",".join([str(search), *categorical, *numerical, str(click), str(conversion)])


def test_columns_and_labels_are_found_by_name(tmp_path: Path) -> None:
    files = {"train.csv": csv(HEADER, line(7, 1, 0), line(8, 1, 1), line(8, 0, 0))}
    rows, rejected = read(aliexpress.NL, tmp_path, files, "train")
    assert rows["search_id"].to_list() == ["7", "8", "8"]
    assert rows["categorical_16"].to_list() == ["716", "816", "816"]
    assert rows["numerical_63"].to_list() == [f"{63 / 64}"] * 3
    assert labels(aliexpress.NL, rows, "click") == [1, 1, 0]
    assert labels(aliexpress.NL, rows, "conversion") == [0, 1, 0]
    assert not rejected


def test_labels_and_the_search_id_are_not_features() -> None:
    features = {*aliexpress.US.dense, *aliexpress.US.sparse}
    assert (len(aliexpress.US.sparse), len(aliexpress.US.dense)) == (16, 63)
    assert not features & {"click", "conversion", "search_id"}


def test_validation_is_a_share_of_the_searches_of_train() -> None:
    assert aliexpress.ES.parts == ("train", "test")
    assert aliexpress.ES.split == HeldOut(validation=0.1, key="search_id")


def test_each_country_is_a_dataset() -> None:
    found = [getattr(aliexpress, country).name for country in ("US", "NL", "ES", "FR", "RU")]
    assert found == [f"aliexpress-{country}" for country in ("us", "nl", "es", "fr", "ru")]


def test_unjoined_files_of_the_publisher_are_an_error(tmp_path: Path) -> None:
    unjoined = "\n".join(",".join(map(str, range(33))) for _ in range(2))
    with pytest.raises(DataError, match="lacks search_id"):
        read(aliexpress.NL, tmp_path, {"train.csv": unjoined}, "train")
