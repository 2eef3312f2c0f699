from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import ByColumn
from emm.data.prepare.preprocess import preprocess
from emm.data.reading.chunks import Chunk, Reading
from emm.data.tables.names import BAG, BAGS
from emm.data.tables.schema import load_schema
from tests.data.fetch.tiny_source import SOURCE

PLACES = ["train", "train", "train", "validation", "test", "test"]
USERS = ["u1", "u2", "u1", "u3", "u1", "nobody"]
TAGS = {"u1": ["a", "b"], "u2": ["a"], "u3": ["b", "never in train"], "unused": ["a", "c", "c"]}
ROWS = pl.DataFrame(
    {
        "user": USERS,
        "place": PLACES,
        "bought": [0, 1, 0, 1, 0, 1],
        "tags": [TAGS.get(user, []) for user in USERS],
    }
)
OWNERS = pl.DataFrame({"user": list(TAGS), "tags": list(TAGS.values())})


def read(_: Reading, __: str) -> Iterator[Chunk]:
    yield Chunk("rows", ROWS)


def read_owners(_: Reading, __: str) -> Iterator[Chunk]:
    yield from (Chunk("users", OWNERS[:2]), Chunk("users", OWNERS[2:]))


IN_ROWS = Dataset(
    name="tiny",
    source=SOURCE,
    dense=(),
    sparse=("user",),
    tasks={"bought": Task(pl.col("bought"), ("bought",))},
    read=read,
    parts=("all",),
    split=ByColumn("place", ("validation",), ("test",)),
    bags=("tags",),
)
KEYED = Dataset(**{**vars(IN_ROWS), "bag_key": "user", "read_bags": read_owners})


def run(dataset: Dataset, out: Path) -> dict[str, list[list[int]]]:
    """The bags of the rows of each split."""
    out.mkdir()
    settings = {"seed": 0, "rare_below": 1, "rejected": out.parent / "rejected.jsonl"}
    preprocess(dataset, out, out, tasks=["bought"], bags=True, **settings)
    bags = pl.read_parquet(out / BAGS)["tags"]
    splits = ("train", "validation", "test")
    return {s: bags.gather(pl.read_parquet(out / f"{s}.parquet")[BAG]).to_list() for s in splits}


# Ids are by frequency in train: a 3 and b 2 in rows, a 2 and b 1 in users of train.
@pytest.mark.parametrize("dataset", [IN_ROWS, KEYED], ids=["in the rows", "in separate rows"])
def test_every_row_refers_to_the_ids_of_its_bag(dataset: Dataset, tmp_path: Path) -> None:
    found = run(dataset, tmp_path / "out")
    assert found == {
        "train": [[1, 2], [1], [1, 2]],
        "validation": [[2]],
        "test": [[1, 2], []],
    }


def test_the_schema_describes_the_bags(tmp_path: Path) -> None:
    run(KEYED, tmp_path / "out")
    (column,) = load_schema(tmp_path / "out" / "schema.json").bags
    assert (column.name, column.cardinality, column.items) == ("tags", 3, 5)


def test_the_bag_of_a_user_is_stored_once(tmp_path: Path) -> None:
    run(KEYED, tmp_path / "out")
    train = pl.read_parquet(tmp_path / "out" / "train.parquet")
    assert train[BAG].to_list() == [0, 1, 0]
    assert len(pl.read_parquet(tmp_path / "out" / BAGS)) == len(TAGS) + 1


def test_a_dataset_without_multi_valued_fields_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no multi-valued fields"):
        run(Dataset(**{**vars(IN_ROWS), "bags": ()}), tmp_path / "out")
