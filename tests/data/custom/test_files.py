"""Formats of files: compression, encodings, notations of numbers, quoted text, no header."""

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from emm.data.custom.dataset import custom_dataset
from emm.data.custom.settings import CustomDataSettings, SplitSettings
from emm.data.datasets.dataset import Dataset
from emm.data.fetch.archives import zstd
from emm.data.fetch.download import fetch
from emm.data.reading.chunks import LINE
from tests.data.custom.custom_files import put_lines, put_parquet, read

SPLIT = SplitSettings("random", None, 0.1, 0.1)
PRICES = [f"{number}.25" for number in range(1000, 1150)]
LINES = ["price,shop,clicked", *(f"{price},é{n % 3},{n % 2}" for n, price in enumerate(PRICES))]


def settings(**keys: Any) -> CustomDataSettings:
    return CustomDataSettings(tasks={"click": "clicked"}, split=SPLIT, **keys)


def described(raw: Path, **keys: Any) -> Dataset:
    return custom_dataset("shop", settings(**keys), raw, config="data.yaml")


def check(raw: Path, **keys: Any) -> None:
    """Check that the files hold the prices as a dense and the shops as a sparse feature."""
    dataset = described(raw, **keys)
    rows, rejected = read(dataset, raw)
    assert (dataset.dense, dataset.sparse) == (("price",), ("shop",))
    assert rows["price"].cast(pl.Float64).to_list() == [float(price) for price in PRICES]
    assert rows["shop"].to_list() == [f"é{n % 3}" for n in range(len(PRICES))]
    assert rejected.count == 0


def put_text(raw: Path, text: str, encoding: str = "utf-8") -> Path:
    raw.mkdir(exist_ok=True)
    (raw / "data.csv").write_bytes(text.encode(encoding))
    return raw


PACKED: dict[str, Any] = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}


@pytest.mark.parametrize(
    ("packing", "named"),
    [
        *((packing, named) for packing in PACKED for named in (None, "d.csv", "d.*")),
        *((packing, f"{name}.csv{packing}") for packing in (".gz", ".zst") for name in "d*"),
    ],
)
def test_compressed_files_are_read_by_every_name(
    tmp_path: Path, packing: str, named: str | None
) -> None:
    (tmp_path / "mine").mkdir()
    data = ("\n".join(LINES) + "\n").encode()
    (tmp_path / f"mine/d.csv{packing}").write_bytes(PACKED[packing](data))
    keys = {"files": (named,)} if named else {}
    source = described(put_lines(tmp_path / "first", LINES, "d.csv"), **keys).source
    fetch(
        source,
        tmp_path / "raw",
        dataset="shop",
        cache=tmp_path / "cache",
        local=tmp_path / "mine",
        pins=tmp_path,
    )
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["d.csv"]
    check(tmp_path / "raw", **keys)


def test_a_file_without_a_header_has_the_configured_columns(tmp_path: Path) -> None:
    put_lines(tmp_path, LINES[1:])
    check(tmp_path, columns=("price", "shop", "clicked"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("price", "shop"), r"another number of columns than custom\.columns\n.*\n  got: 3 values"),
        (("price", "shop", "clicked"), r"has a header, but(.|\n)*remove `columns`"),
    ],
)
def test_columns_that_do_not_fit_the_file_are_an_error(
    tmp_path: Path, columns: tuple[str, ...], message: str
) -> None:
    put_lines(tmp_path, LINES)
    with pytest.raises(DataError, match=message):
        described(tmp_path, columns=columns)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_in_other_encodings_are_read(tmp_path: Path, encoding: str, end: str) -> None:
    put_text(tmp_path, end.join(LINES), encoding)
    check(tmp_path, **({} if encoding == "utf-8-sig" else {"encoding": encoding}))


@pytest.mark.parametrize(
    ("encoding", "message"),
    [("latin-1", "write `encoding: latin-1`"), ("utf-16", "write `encoding: utf-16`")],
)
@pytest.mark.parametrize("plain", [0, 20])
def test_another_encoding_than_utf8_is_named(
    tmp_path: Path, encoding: str, message: str, plain: int
) -> None:
    text = "\n".join([LINES[0], *["1.5,a,1"] * plain, *LINES[1:]])
    put_text(tmp_path, text, encoding)
    with pytest.raises(DataError, match=message):
        described(tmp_path)


@pytest.mark.parametrize(
    ("decimal", "thousands", "written"),
    [
        (",", None, "1000,25"),
        (",", ".", "1.000,25"),
        (".", ",", "1,000.25"),
        (",", " ", "1 000,25"),
        (".", "'", "1'000.25"),
    ],
)
def test_numbers_are_read_in_their_notation(
    tmp_path: Path, decimal: str, thousands: str | None, written: str
) -> None:
    def local(price: str) -> str:
        whole, fraction = price.split(".")
        return f"{whole[0]}{thousands or ''}{whole[1:]}{decimal}{fraction}"

    assert local(PRICES[0]) == written
    quoted = [
        line.replace(price, f'"{local(price)}"')
        for price, line in zip(PRICES, LINES[1:], strict=True)
    ]
    put_lines(tmp_path, [LINES[0], *quoted])
    check(tmp_path, decimal=decimal, thousands=thousands)


def test_a_number_in_another_notation_than_the_others_is_never_read_as_one(tmp_path: Path) -> None:
    rows = [f"{n},5;{n % 2}" for n in range(300)]
    put_lines(tmp_path, ["price;clicked", *rows, "1.5;1"])
    with pytest.raises(ParamsError, match=r"'price' \(dense\): \"'1.5'\" once"):
        described(tmp_path, separator=";", decimal=",")


def test_a_decimal_comma_without_the_setting_is_asked_about(tmp_path: Path) -> None:
    put_lines(tmp_path, ["price;clicked", *(f"{n},5;{n % 2}" for n in range(300))])
    with pytest.raises(ParamsError, match=r"'price' look like numbers .* write decimal: "):
        described(tmp_path, separator=";")


def test_labels_and_weights_are_read_in_the_notation_of_the_files(tmp_path: Path) -> None:
    put_lines(tmp_path, ["spent;w;a", *(f"{n},5;{n + 1},25;x" for n in range(9))])
    custom = CustomDataSettings(
        tasks={"spend": {"expression": "spent", "kind": "regression"}},
        separator=";",
        decimal=",",
        weight="w",
        split=SPLIT,
    )
    dataset = custom_dataset("shop", custom, tmp_path, config="data.yaml")
    rows, _ = read(dataset, tmp_path)
    assert rows.select(dataset.tasks["spend"].label).to_series()[:2].to_list() == [0.5, 1.5]
    assert rows["w"][:2].to_list() == ["1.25", "2.25"]


def test_blanks_around_values_do_not_belong_to_them(tmp_path: Path) -> None:
    put_lines(tmp_path, [line.replace(",", " , ") for line in LINES])
    check(tmp_path)


def test_a_text_with_line_breaks_is_one_value(tmp_path: Path) -> None:
    text = "first line\ninvented,33,Z,1,1\nlast line"
    put_lines(tmp_path, ["price,shop,clicked", f'0.5,"{text}",1', "1.5,b,0"])
    rows, rejected = read(described(tmp_path), tmp_path)
    assert rows["shop"].to_list() == [text, "b"]
    assert rows[LINE].to_list() == [2, 5]
    assert (rejected.lines, rejected.count) == (2, 0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a;clicked;b", "1;1;2"], r'one column only(.|\n)*write `separator: ";"`'),
        (["a\tclicked\tb", "1\t1\t2"], r'one column only(.|\n)*write `separator: "\\t"`'),
        (["a,clicked,a", "1,1,2"], r"'a' more than once(.|\n)*got: 'a' as columns 1 and 3"),
    ],
)
def test_a_header_that_can_not_be_used_names_what_to_write(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    put_lines(tmp_path, lines)
    with pytest.raises(DataError, match=message):
        described(tmp_path)


def test_columns_of_parquet_files_have_names_already(tmp_path: Path) -> None:
    put_parquet(tmp_path, "a.parquet", pl.DataFrame({"a": [1], "clicked": [1]}))
    with pytest.raises(DataError, match=r"(?s)Parquet.*remove custom\.columns"):
        described(tmp_path, columns=("a", "clicked"))
