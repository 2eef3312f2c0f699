"""Faults of custom data and its description."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.split_rules import ByKey, ByTime
from tests.data.custom.custom_files import (
    RANDOM,
    describe,
    make_table,
    put_csv,
    put_lines,
    put_parquet,
)

TABLE = make_table()
WRITERS = {"csv": put_csv, "parquet": put_parquet}


@pytest.fixture(params=WRITERS)
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return WRITERS[request.param](tmp_path / "raw", f"data.{request.param}", TABLE)


Put = Callable[[Path], object]
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "dense": (
        {"columns": CustomColumns(dense=("prise",))},
        r"custom\.dense: no column is called 'prise'; did you mean 'price'\?",
    ),
    "bags": ({"columns": CustomColumns(bags={"genre": "|"})}, "bags: .* did you mean 'genres'"),
    "key": ({"columns": CustomColumns(key="usr")}, r"custom\.key: .* did you mean 'user'"),
    "weight": ({"columns": CustomColumns(weight="w")}, r"custom\.weight: no column is called 'w'"),
    "drop": ({"columns": CustomColumns(drop=("dya",))}, r"custom\.drop: .* did you mean 'day'"),
    "carried": ({"columns": CustomColumns(carried=("zp",))}, r"- preprocess: .* mean 'zip'"),
    "split": ({"split": ByKey("usr", 0.1, 0.1)}, r"split\.column: .* did you mean 'user'"),
    "made_from": (
        {"tasks": {"visit": CustomTask("visited", made_from=("amuont",))}},
        r"tasks\.visit\.made_from: .* did you mean 'amount'",
    ),
    "label": (
        {"tasks": {"visit": CustomTask("visted = 1")}},
        r"tasks\.visit: no column is called 'visted'; did you mean 'visited'",
    ),
    "two kinds of feature": (
        {"columns": CustomColumns(dense=("user",), sparse=("user",))},
        r"dense: 'user' is also in sparse",
    ),
    "feature and label": (
        {"columns": CustomColumns(sparse=("visited",))},
        r"sparse: 'visited' is also in the columns of a label",
    ),
    "dense key": (
        {"columns": CustomColumns(dense=("user",), key="user")},
        r"dense: 'user' is also in key",
    ),
    "text as dense": (
        {"columns": CustomColumns(dense=("country",))},
        r"dense: 'country' holds '.*', which isn't a number",
    ),
    "no time": (
        {"split": ByTime("country", 0.1, 0.1)},
        r"split\.column: 'country' holds '.*', expected numbers, or dates and times",
    ),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_roles_that_do_not_fit_the_files_are_named(
    raw: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        describe(raw, **changes)


def test_all_faults_are_reported_at_once(raw: Path) -> None:
    with pytest.raises(ParamsError, match=r"(?s)2 settings in conf/shop/data.yaml.*prise.*usr"):
        describe(raw, columns=CustomColumns(dense=("prise",), key="usr"))


BAD_FILES: dict[str, tuple[Put, str]] = {
    "no file": (lambda raw: None, "no files for the part all"),
    "two kinds of file": (
        lambda raw: (put_csv(raw, "a.csv", TABLE), put_parquet(raw, "b.parquet", TABLE)),
        "found both CSV and Parquet files",
    ),
    "no rows": (lambda raw: put_lines(raw, ["visited,a"]), "has no rows"),
    "not Parquet": (
        lambda raw: put_lines(raw, ["text"], "a.parquet"),
        r"a\.parquet can't be read as Parquet",
    ),
    "missing column": (
        lambda raw: (
            put_parquet(raw, "a.parquet", TABLE),
            put_parquet(raw, "b.parquet", TABLE.drop("zip")),
        ),
        r"b\.parquet lacks zip",
    ),
    "different types": (
        lambda raw: (
            put_parquet(raw, "a.parquet", TABLE),
            put_parquet(raw, "b.parquet", TABLE.with_columns(pl.col("price").cast(pl.String))),
        ),
        "the types of columns differ between files",
    ),
}


@pytest.mark.parametrize(("put", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_unusable_files_are_an_error(tmp_path: Path, put: Put, message: str) -> None:
    put(tmp_path)
    with pytest.raises(DataError, match=message):
        describe(tmp_path, split=RANDOM)
