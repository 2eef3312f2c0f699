"""Blocks of whole lines."""

from collections.abc import Iterator
from pathlib import Path

from emm.core.errors import DataError
from emm.data.reading.first_line import BOM, GET_IT

BLOCK = 16 * 2**20  # bytes: half a million short lines
LONGEST = 4 * BLOCK  # no line of a table is longer


def blocks(path: Path, start: int) -> Iterator[bytes]:
    """The file from byte ``start`` on, cut after line ends."""
    with path.open("rb") as file:
        file.seek(start or len(BOM) * (file.read(len(BOM)) == BOM))
        rest = b""
        while block := file.read(BLOCK):
            block = rest + block
            end = block.rfind(b"\n") + 1
            if not end and len(block) > LONGEST:
                raise DataError(
                    f"{path.name} has a line of more than {LONGEST:,} bytes",
                    where=path,
                    next_step=GET_IT,
                )
            rest = block[end:]
            if end:
                yield block[:end]
        if rest:
            yield rest
