"""No name of a column collides with one of ours, or is read as a pattern."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.dataset import DATASETS, load_dataset
from emm.data.datasets.split_rules import ByTime
from emm.data.prepare.preprocess import preprocess
from emm.data.prepare.sample import Sample
from emm.data.tables.loading import load_groups, load_split
from emm.data.tables.names import BAG, WEIGHT, original_name, stored_name
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import SPLITS, Schema, load_schema
from tests.data.custom.custom_files import describe

ROLES = ("dense", "sparse", "label", "weight", "key", "time", "kept", "bag", "other")
ODD = (
    "score",
    "rows",
    "positives",
    "*",
    "**",
    "^p.*$",
    "^.*$",
    "^$",
    "label:click",
    "label:",
    "__here",
    "__line",
    "__reason",
    "__place",
    "__id",
    "__label:click",
    "bag",
    "weight",
    "column:x",
    "column:weight",
    "value",
    "class",
    "index",
    "len",
    "a.b",
    "[x]",
    "{x}",
    "a'b",
    "a b",
    "$",
    "^",
    "price",
    "日本",
    "x\u0301",
    ".",
    "0",
)


def table(rows: int = 60) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "dense": draw.normal(size=rows),
            "sparse": draw.choice(["a", "b", "c"], rows),
            "label": draw.integers(0, 2, rows),
            "weight": draw.integers(1, 5, rows) / 2,
            "key": draw.integers(0, 9, rows).astype(str),
            "time": np.arange(rows),
            "kept": draw.choice(["u", "v"], rows),
            "bag": draw.choice(["g|h", "h", "i|g"], rows),
            "other": draw.choice(["k", "l"], rows),
        }
    )


def processed(folder: Path, names: dict[str, str], kind: str) -> tuple[Schema, list[RowTensors]]:
    """The schema and the splits of the table with renamed columns."""
    raw, out = folder / "raw", folder / "out"
    raw.mkdir(parents=True)
    out.mkdir()
    rows = table().rename(names)
    rows.write_parquet(raw / "d.parquet") if kind == "parquet" else rows.write_csv(raw / "d.csv")
    dataset = describe(
        raw,
        files=CustomFiles({"all": ()}, missing=()),
        columns=CustomColumns(
            dense=(names["dense"],),
            sparse=(names["sparse"],),
            bags={names["bag"]: "|"},
            key=names["key"],
            carried=(names["kept"], names["weight"]),
        ),
        tasks={"click": CustomTask(names["label"]), "other": CustomTask(names["other"], "classes")},
        split=ByTime(names["time"], 0.2, 0.2),
    )
    preprocess(
        dataset,
        raw,
        out,
        tasks=["click"],
        seed=0,
        rare_below=1,
        rejected=folder / "rejected.jsonl",
        sample=Sample(0.9, key=names["key"]),
        bags=True,
        keep=(names["kept"],),
        weight=names["weight"],
    )
    schema = load_schema(out / "schema.json")
    splits = [load_split(out / f"{split}.parquet", schema, weighted=True) for split in SPLITS]
    for group in (names["key"], names["kept"], names["sparse"]):
        load_groups(out / "train.parquet", schema, group)
    return schema, splits


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[RowTensors]:
    """The splits of the table with plain names."""
    plain = dict(zip(ROLES, ROLES, strict=True))
    return processed(tmp_path_factory.mktemp("plain") / "data", plain, "parquet")[1]


def compare(names: dict[str, str], kind: str, expected: list[RowTensors]) -> None:
    """Whatever the columns are called, the tensors are the same."""
    with tempfile.TemporaryDirectory() as folder:
        schema, found = processed(Path(folder) / "data", names, kind)
    assert [original_name(name) for name in schema.dense_names] == [names["dense"]]
    assert [original_name(name) for name in schema.sparse_names] == [names["sparse"]]
    assert [original_name(name) for name in schema.kept] == [names["kept"]]
    assert schema.weight == names["weight"]
    for one, other in zip(found, expected, strict=True):
        for left, right in zip(columns_of(one), columns_of(other), strict=True):
            assert torch.equal(left, right)


def columns_of(rows: RowTensors) -> list[torch.Tensor]:
    assert rows.weights is not None
    return [*rows.inputs, rows.labels, rows.weights]


ANY = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
) | st.sampled_from(ODD)
IN_A_LINE = ANY.map(str.strip).filter(lambda name: name and not name.startswith("\ufeff"))


def in_roles(names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    several = st.lists(names, min_size=len(ROLES), max_size=len(ROLES), unique=True)
    return several.map(lambda found: dict(zip(ROLES, found, strict=True)))


@settings(deadline=None, max_examples=20)
@given(names=in_roles(ANY))
def test_a_column_of_a_parquet_file_may_have_any_name(
    names: dict[str, str], expected: list[RowTensors]
) -> None:
    compare(names, "parquet", expected)


@settings(deadline=None, max_examples=20)
@given(names=in_roles(IN_A_LINE))
def test_a_column_of_a_text_file_may_have_any_name(
    names: dict[str, str], expected: list[RowTensors]
) -> None:
    compare(names, "csv", expected)


@pytest.mark.parametrize("start", range(0, len(ODD), len(ROLES)))
def test_names_that_look_like_ours_or_like_patterns(start: int, expected: list[RowTensors]) -> None:
    names = dict(zip(ROLES, ODD[start:] + ODD, strict=False))
    compare(names, "csv", expected)


@given(st.lists(ANY, min_size=2, max_size=2, unique=True))
def test_stored_names_are_distinct_and_can_be_undone(names: list[str]) -> None:
    stored = [*map(stored_name, names)]
    assert stored[0] != stored[1]
    assert [*map(original_name, stored)] == names


@given(ANY)
def test_a_stored_name_is_no_pattern_and_none_of_ours(name: str) -> None:
    stored = stored_name(name)
    assert pl.DataFrame({stored: [1], "p": [2]}).select(pl.col(stored)).columns == [stored]
    assert stored not in (WEIGHT, BAG)
    assert not stored.startswith(("label:", "__"))


@pytest.mark.parametrize("name", DATASETS)
def test_registered_datasets_keep_the_names_of_their_columns(name: str) -> None:
    dataset = load_dataset(name)
    columns = [*dataset.dense, *dataset.sparse, *dataset.bags, dataset.weight, dataset.key]
    assert [stored_name(each) for each in columns if each] == [each for each in columns if each]
