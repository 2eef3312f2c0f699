import hashlib
from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.datasets.same_lines import same_lines

PROOF = same_lines(hashlib.sha256(b"a, b\nc, d\n").hexdigest())


@pytest.mark.parametrize(
    "text",
    [b"a, b\nc, d\n", b"a, b\r\nc, d", b"|comment\na, b\n\nc, d\n\n"],
    ids=["as it is", "other line ends", "comment and blank lines"],
)
def test_the_same_lines_are_accepted(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(text)
    PROOF(file)


@pytest.mark.parametrize("text", [b"a, b\n", b"a, b\nc, e\n", b"c, d\na, b\n", b"a, bc, d\n"])
def test_other_lines_are_refused(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(text)
    with pytest.raises(DataError, match="not the file that was published"):
        PROOF(file)
