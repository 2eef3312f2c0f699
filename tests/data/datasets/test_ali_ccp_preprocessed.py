from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.datasets.ali_ccp import PREPROCESSED
from tests.data.datasets.reading import read

COLUMNS = ("click", "purchase", *PREPROCESSED.sparse, *PREPROCESSED.dense)


def preprocessed(*rows: dict[str, object]) -> str:
    lines = [COLUMNS, *([row.get(name, 1) for name in COLUMNS] for row in rows)]
    return "".join(",".join(map(str, line)) + "\n" for line in lines)


def test_the_test_part_of_the_preprocessed_files_is_val_and_test(tmp_path: Path) -> None:
    texts = {
        "ali_ccp_val.csv": preprocessed({"101": 5}, {"101": "x"}, {"click": 0}),
        "ali_ccp_test.csv": preprocessed({"101": 6, "D508": 0.25}),
    }
    rows, rejected = read(PREPROCESSED, tmp_path, texts, "test")
    assert rows["101"].to_list() == [5, 6]
    assert rows["D508"].to_list() == ["1", "0.25"]
    assert rejected == [(3, "a sparse value that isn't a whole number")]


def test_a_preprocessed_file_without_a_column_is_an_error(tmp_path: Path) -> None:
    text = preprocessed({}).replace(",853", ",854")
    with pytest.raises(DataError, match="853"):
        read(PREPROCESSED, tmp_path, {"ali_ccp_train.csv": text}, "train")
