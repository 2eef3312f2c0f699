"""The file of predictions, written part by part, and the columns that say which row is which."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from emm.core.errors import ParamsError
from emm.data.tables.names import original_name
from emm.predict.encoder import Encoder
from emm.predict.files import Table
from emm.predict.predictor import at_places
from emm.predict.reading import Block

PARQUET, CSV = ".parquet", ".csv"

_ROW_GROUP = 262_144


class Places(NamedTuple):
    """The columns before the predictions: the file if there are several, the line, the key.

    ``key``: the column that identifies a row or its user, if the files have it; ``type``: of it.
    """

    file: bool
    key: str | None
    type: pl.DataType | type[pl.DataType]

    def of(self, block: Block) -> pl.DataFrame:
        """Those of the rows of a block."""
        columns = [pl.Series("line", block.lines)]
        if self.file:
            columns.insert(0, pl.repeat(block.file, len(block.lines), eager=True).alias("file"))
        if self.key is not None:
            own = block.rows.select(
                pl.Series("key", block.rows.get_column(self.key).cast(self.type))
            )
            columns.append(at_places(own, block.readable).to_series().alias(self.key))
        return pl.DataFrame(columns)


def places_of(tables: Sequence[Table], encoder: Encoder, files: int) -> Places:
    """The columns that say which row is which.

    ``tables``: those of the ``files`` that aren't packed.
    """
    stored = encoder.schema.key
    key = original_name(stored) if stored else None
    if key is None or any(key not in table.columns for table in tables):
        return Places(files > 1, None, pl.String)
    kinds = {table.key_type(key) for table in tables}
    typed = len(kinds) == 1 and len(tables) == files
    return Places(files > 1, key, kinds.pop() if typed else pl.String())


class Output:
    """A file that is written to ``path`` part by part, in the format that the suffix of ``name``
    says; ``scratch``: an empty folder. Memory doesn't grow with the number of parts."""

    def __init__(self, path: Path, name: Path, scratch: Path) -> None:
        self._path, self._csv, self._scratch = path, name.suffix.lower() == CSV, scratch
        self._parts = 0

    def write(self, rows: pl.DataFrame) -> None:
        """Write some rows, whose columns are the same every time."""
        if self._csv:
            with self._path.open("ab") as out:
                rows.write_csv(out, include_header=not self._parts)
        else:
            rows.write_parquet(self._scratch / f"{self._parts:08}.parquet", compression="lz4")
        self._parts += 1

    def close(self) -> None:
        """Complete the file."""
        if not self._csv:
            parts = pl.scan_parquet(self._scratch / "*.parquet", glob=True)
            parts.sink_parquet(self._path, row_group_size=_ROW_GROUP)


def require_suffix(out: Path) -> None:
    """Raise ParamsError unless a file of predictions can have this name."""
    if out.suffix.lower() not in (PARQUET, CSV):
        raise ParamsError(
            f"{out.name} says no format of the predictions",
            where="--out",
            got=out.suffix or "no suffix",
            expected=f"a name that ends with {PARQUET} or {CSV}",
            next_step="name the file so",
        )
