"""Parquet files, with Polars' own errors put into words that a person can act on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polars.exceptions import PolarsError

from emm.core.files import writing


@contextmanager
def writing_parquet(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk under ``path`` into OutOfSpaceError, as ``writing`` does.

    Polars tells of such a disk in an error of its own, with the system's number in the text.
    """
    with writing(path):
        try:
            yield
        except PolarsError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), str(error)) from error
