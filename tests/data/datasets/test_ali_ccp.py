import gzip
from pathlib import Path

import polars as pl
import pytest

from benchmarks.ali_ccp_files import ROWS_A_USER, write_files
from benchmarks.line_parser import DENSE, SPARSE, joined
from emm.core.errors import DataError
from emm.data.datasets.ali_ccp import DATASET
from emm.data.prepare.preprocess import preprocess
from emm.data.reading import text_file
from emm.data.reading.chunks import LINE, Reading
from emm.data.reading.rejected import Rejected
from emm.data.tables.schema import SPLITS, load_schema
from tests.data.datasets.reading import labels, read

ROWS = 10 * ROWS_A_USER + 7


def items(*each: tuple[str, int, float]) -> str:
    return "\x01".join(f"{field}\x02{feature}\x03{value}" for field, feature, value in each)


def user(key: str, *each: tuple[str, int, float]) -> str:
    return f"{key},{len(each)},{items(*each)}\n"


def sample(number: int, click: int, purchase: int, key: str, *each: tuple[str, int, float]) -> str:
    return f"{number},{click},{purchase},{key},{len(each)},{items(*each)}\n"


ANNA = user("anna", ("101", 11, 1.0), ("109_14", 5, 0.5), ("109_14", 6, 2.5), ("127", 3, 1.0))
BERT = user("bert", ("101", 12, 1.0))
ITEM = (("205", 21, 1.0), ("508", 31, 0.75), ("301", 41, 1.0))


def files(skeleton: str, common: str = ANNA + BERT) -> dict[str, str]:
    return {"sample_skeleton_train.csv": skeleton, "common_features_train.csv": common}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ali-ccp")
    write_files(folder, ROWS)
    return folder


def chunks(raw: Path, scratch: Path, part: str, *, bags: bool = False) -> list[pl.DataFrame]:
    reading = Reading(raw, Rejected("ali-ccp", 0.0), scratch, bags)
    return [chunk.rows for chunk in DATASET.read(reading, part)]


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("block", [text_file.BLOCK_BYTES, 20_000])
def test_rows_are_the_same_as_by_a_line_parser(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, block: int
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", block)
    found = chunks(raw, tmp_path, part)
    assert (len(found) > 1) == (block == 20_000)
    rows = pl.concat(found)
    expected = list(joined(raw, part))
    ids = rows.select(pl.col(SPARSE).cast(pl.String).fill_null(""))
    assert ids.rows() == [tuple(row[2 : 2 + len(SPARSE)]) for row in expected]
    found_labels = rows.select("click", "purchase").rows()
    assert found_labels == [tuple(map(float, row[:2])) for row in expected]
    values = [float(text) for row in expected for text in row[2 + len(SPARSE) :]]
    dense = rows.select(f"D{name}" for name in DENSE).to_numpy().ravel().tolist()
    assert dense == pytest.approx(values, rel=1e-6)


def test_generated_files_have_distinct_keys_with_rows_for_each(raw: Path) -> None:
    lines = (raw / "sample_skeleton_train.csv").read_text().splitlines()
    keys = [line.split(",")[3] for line in lines]
    common = (raw / "common_features_train.csv").read_text().splitlines()
    users = [line.split(",")[0] for line in common]
    assert len(lines) == ROWS
    assert len(users) == len(set(users)) == 11
    assert set(keys) == set(users)


def test_the_columns_are_those_of_the_paper() -> None:
    assert (len(DATASET.sparse), len(DATASET.dense)) == (23, 8)
    assert set(DATASET.sparse) == set(SPARSE)
    assert set(DATASET.dense) == {f"D{name}" for name in DENSE}


def test_a_row_has_its_own_items_and_those_of_its_user(tmp_path: Path) -> None:
    text = sample(1, 1, 0, "bert", *ITEM) + sample(2, 0, 0, "anna", ("205", 22, 1.0))
    rows, rejected = read(DATASET, tmp_path, files(text), "train")
    assert not rejected
    shown = ("101", "205", "508", "109_14", "127", "D508", "D109_14")
    assert rows.select(shown).rows() == [
        (12, 21, 31, None, None, 0.75, 0.0),
        (11, 22, None, 6, 3, 0.0, 2.5),
    ]


def test_purchases_without_a_click_are_dropped_but_not_rejected(tmp_path: Path) -> None:
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1)]
    text = "".join(sample(n, *pair, "anna", *ITEM) for n, pair in enumerate(pairs))
    rows, rejected = read(DATASET, tmp_path, files(text), "train")
    assert not rejected
    assert labels(DATASET, rows, "click") == [0, 1, 1]
    assert labels(DATASET, rows, "purchase") == [0, 0, 1]
    assert labels(DATASET, rows, "click-and-purchase") == [0, 0, 1]
    assert rows[LINE].to_list() == [1, 3, 4]


def test_bags_are_read_once_per_user(tmp_path: Path) -> None:
    text = sample(1, 0, 0, "anna", *ITEM) + sample(2, 0, 0, "bert", *ITEM)
    for name, content in files(text).items():
        (tmp_path / name).write_text(content)
    assert DATASET.read_bags is not None
    reading = Reading(tmp_path, Rejected("ali-ccp", 0.0), tmp_path, bags=True)
    (users,) = (chunk.rows for chunk in DATASET.read_bags(reading, "train"))
    keys = dict(zip(users[DATASET.bag_key], users["bag:109_14"].to_list(), strict=True))
    assert keys == {"anna": [5, 6], "bert": None}
    assert {*DATASET.bags, DATASET.bag_key} == set(users.columns)
    (rows,) = chunks(tmp_path, tmp_path, "train", bags=True)
    assert rows[DATASET.bag_key].to_list() == ["anna", "bert"]


GOOD = sample(1, 0, 0, "anna", *ITEM)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (sample(2, 0, 0, "carl", *ITEM), "the common features have no such key"),
        (sample(2, 0, 0, "", *ITEM), "the common features have no such key"),
        (GOOD.replace(",3,", ",4,"), "feature_num is 4, the list has 3 items"),
        (GOOD.replace("\x02", ""), "the list isn't made of"),
        (GOOD.replace("205", "101"), "an item of an unknown field"),
        (GOOD.replace("0.75", "much"), "a value that isn't a finite number"),
        (GOOD.replace(",anna", ""), "5 fields instead of 6"),
        (GOOD.replace("0.75", "0\x0475"), "a control character"),
    ],
)
def test_a_malformed_line_is_rejected_with_its_line_number(
    tmp_path: Path, bad: str, reason: str
) -> None:
    rows, rejected = read(DATASET, tmp_path, files(GOOD + bad + GOOD), "train")
    assert len(rows) == 2
    ((line, found),) = rejected
    assert line == 2
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (ANNA.replace("2.5", "2.5.1"), "a value that isn't a finite number"),
        (ANNA.replace(",4,", ",3,"), "feature_num is 3"),
        (ANNA.replace("anna", ""), "the key is empty"),
        (user("bert", ("101", 99, 1.0)), "an earlier line has the same key"),
    ],
)
def test_a_malformed_line_of_a_user_is_rejected(tmp_path: Path, bad: str, reason: str) -> None:
    rows, rejected = read(
        DATASET, tmp_path, files(GOOD.replace("anna", "bert"), BERT + bad), "train"
    )
    assert rows["101"].to_list() == [12]
    ((line, found),) = rejected
    assert line == 2
    assert found.startswith(reason)


def test_rows_of_a_rejected_user_are_rejected_too(tmp_path: Path) -> None:
    text = GOOD + GOOD.replace("anna", "bert")
    broken = files(text, ANNA.replace(",4,", ",3,") + BERT)
    rows, rejected = read(DATASET, tmp_path, broken, "train")
    assert len(rows) == 1
    assert [line for line, _ in rejected] == [1, 1]


def test_byte_order_marks_and_windows_line_ends_are_ignored(tmp_path: Path) -> None:
    text = GOOD + sample(2, 1, 1, "bert", *ITEM)
    plain, _ = read(DATASET, tmp_path, files(text), "train")
    marked = {
        name: "\ufeff" + content.replace("\n", "\r\n") for name, content in files(text).items()
    }
    windows, rejected = read(DATASET, tmp_path, marked, "train")
    assert not rejected
    assert windows.equals(plain)


HEADER = "sample_id,click,purchase,common_feature_index,feature_num,feature_list\n"


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (files(""), "empty"),
        (files(GOOD, ""), "empty"),
        (files(HEADER + GOOD), "header"),
        (files(GOOD.replace(",", "\t")), "can be read"),
        ({"sample_skeleton_train.csv": GOOD}, "common_features_train.csv"),
    ],
)
def test_an_unreadable_file_is_an_error(
    tmp_path: Path, broken: dict[str, str], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        read(DATASET, tmp_path, broken, "train")


def test_a_compressed_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "common_features_train.csv").write_text(ANNA)
    (tmp_path / "sample_skeleton_train.csv").write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(DataError, match="gzip"):
        chunks(tmp_path, tmp_path, "train")


def test_preprocessing_halves_the_test_part(raw: Path, tmp_path: Path) -> None:
    preprocess(
        DATASET,
        raw,
        tmp_path,
        tasks=("purchase", "click"),
        seed=0,
        rare_below=2,
        rejected=tmp_path / "rejected.jsonl",
    )
    schema = load_schema(tmp_path / "schema.json")
    counts = [schema.splits[split].rows for split in SPLITS]
    official = [len(list(joined(raw, part))) for part in ("train", "test")]
    assert [counts[0], counts[1] + counts[2]] == official
    assert abs(counts[1] - counts[2]) <= 1
    assert (len(schema.sparse), len(schema.dense)) == (23, 8)
