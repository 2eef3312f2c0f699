"""The files of new rows: their names, their compression, their header."""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Any

import polars as pl

from emm.core.errors import DataError, ParamsError
from emm.core.files import writing
from emm.core.progress import say
from emm.data.custom.files import readable
from emm.data.datasets.dataset import DATASETS, load_dataset
from emm.data.reading.encodings import UTF8
from emm.data.reading.text_file import expect_distinct, first_line, split_values
from emm.data.tables.names import original_name
from emm.predict.columns import require_columns
from emm.predict.encoder import Encoder
from emm.predict.predictor import Predictor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PARQUET = ".parquet"

_SEPARATORS = (",", ";", "\t", "|")
_READ_BYTES = 2**20
_MAX_BYTES = 2**40
_SHOWN = 5


_COMPRESSED: Mapping[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\x28\xb5\x2f\xfd": zstd.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)


@dataclass(frozen=True)
class Table:
    """A file of new rows.

    Args:
        path: of the unpacked file; ``name``: that of the original, for messages.
        columns: names of all of its columns.
        separator: of a text file; None of a Parquet file.
        header: whether the first record of a text file has the names.
        quotes: whether values of a text file may be quoted.
    """

    path: Path
    name: str
    columns: tuple[str, ...]
    separator: str | None = None
    header: bool = True
    quotes: bool = True
    encoding: str = UTF8

    def key_type(self, column: str) -> pl.DataType:
        """The type of a column in the file: text in a text file."""
        if self.separator is not None:
            return pl.String()
        return pl.read_parquet_schema(self.path)[column]


def find_files(patterns: Sequence[str]) -> list[Path]:
    """The files that names, globs and folders stand for, in order, each once.

    A folder stands for its CSV and Parquet files. Raises ParamsError for one that finds nothing.
    """
    found = dict[Path, None]()
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            files = sorted(each for each in path.iterdir() if _is_table(each))
        elif path.exists() or not has_magic(pattern):
            files = [path] if path.is_file() else []
        else:
            root, relative = path.anchor, pattern[len(path.anchor) :]
            files = sorted(each for each in Path(root).glob(relative) if each.is_file())
        if not files:
            raise ParamsError(
                f"no file is found by {pattern!r}",
                where=Path.cwd(),
                expected="a CSV or Parquet file, plain or compressed, a folder of such, or a glob",
                next_step="correct the name; a glob in quotes is expanded here",
            )
        found |= dict.fromkeys(files)
    return [*found]


def is_packed(path: Path) -> bool:
    """Whether the file is compressed. Raises DataError if it can't be read."""
    return _opener(path) is not None


def _opener(path: Path) -> Callable[[Path], Any] | None:
    with _unpackable(path), path.open("rb") as file:
        start = file.read(max(map(len, _COMPRESSED)))
    return next((each for magic, each in _COMPRESSED.items() if start.startswith(magic)), None)


@contextmanager
def unpacked(path: Path, scratch: Path) -> Iterator[Path]:
    """The unpacked content of a compressed file in ``scratch``, while the context lasts.

    Raises DataError if it is damaged.
    """
    opener = _opener(path) or gzip.open
    plain = scratch / "unpacked"
    try:
        with writing(plain), plain.open("wb") as out, _unpackable(path), opener(path) as packed:
            left = _MAX_BYTES
            while data := packed.read(_READ_BYTES):
                left -= len(data)
                if left < 0:
                    raise _too_large(path)
                out.write(data)
        yield plain
    finally:
        plain.unlink(missing_ok=True)


def _too_large(path: Path) -> DataError:
    return DataError(f"{path.name} unpacks to more than {_MAX_BYTES:,} bytes", where=path)


@contextmanager
def _unpackable(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DataError(
            f"{path.name} can't be read: {error}",
            where=path,
            next_step="check the file; it is read as what its first bytes say",
        ) from error


def open_table(path: Path, name: str, predictor: Predictor) -> Table:
    """Find out the columns of a file and how its text is separated.

    Raises ParamsError if a column is missing that the model reads, DataError for a file that can't
    be read. Says which columns are ignored.
    """
    table = _opened(path, name, predictor.encoder, predictor.columns)
    schema = predictor.encoder.schema
    known = {*predictor.columns, original_name(schema.key or "")}
    others = [each for each in table.columns if each not in known]
    if others and table.header:
        shown = ", ".join(others[:_SHOWN]) + (" …" if len(others) > _SHOWN else "")
        say(f"{name}: {len(others):,} columns that the model doesn't read are ignored: {shown}")
    return table


def _opened(path: Path, name: str, encoder: Encoder, wanted: Sequence[str]) -> Table:
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        with readable(path):
            columns = tuple(pl.read_parquet_schema(path))
        require_columns(wanted, columns, name)
        return Table(path, name, columns)
    return _text_table(path, name, encoder, wanted)


def _refuse_blanks(name: str, encoder: Encoder) -> None:
    """Raise DataError if text that training knows has blanks around it, which text files lose."""
    value = pl.col("value")
    found = encoder.vocabularies.filter((pl.col("id") > 0) & (value != value.str.strip_chars()))
    if encoder.inputs.trims or found.is_empty():
        return
    column, text = found.row(0)[:2]
    raise DataError(
        f"{name} is a text file, and the model was trained on text with blanks around it",
        where=name,
        got=f"blanks around text are removed; training knows {text!r} of {original_name(column)!r}",
        expected="a Parquet file, which training read, too",
        next_step="write the rows as Parquet",
    )


def _text_table(path: Path, name: str, encoder: Encoder, wanted: Sequence[str]) -> Table:
    _refuse_blanks(name, encoder)
    text = encoder.inputs.text
    own, fields, encoding = ",", published_fields(encoder.schema.dataset), UTF8
    if text is not None:
        own, fields, encoding = text.separator, text.columns, text.encoding
    _, line = first_line(path, name, encoding=encoding, quotes=True)
    headers = {
        separator: split_values(line, separator, quotes=True)
        for separator in dict.fromkeys((own, *_SEPARATORS))
    }
    best = max(headers, key=lambda each: len({*headers[each]} & {*wanted}))
    names, values = headers[best], split_values(line, own, quotes=text is not None)
    headless = len(values) == len(fields) and 2 * len({*names} & {*fields}) <= len(fields)
    if fields and headless:
        return Table(path, name, fields, own, False, text is not None, encoding)
    require_columns(wanted, names, f"{name}, line 1")
    expect_distinct(path, names, wanted)
    return Table(path, name, tuple(names), best, encoding=encoding)


def published_fields(dataset: str) -> tuple[str, ...]:
    """Names of all columns of a known dataset's raw file without a header; () of any other."""
    return load_dataset(dataset).fields if dataset in DATASETS else ()


def _is_table(path: Path) -> bool:
    suffixes = [each.lower() for each in path.suffixes]
    return path.is_file() and any(each in suffixes for each in (".csv", ".tsv", ".txt", PARQUET))
