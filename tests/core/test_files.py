import errno
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emm.core.errors import OutOfSpaceError
from emm.core.files import atomic_file, atomic_folder, sha256, write_json, writing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "deep" / "out") as temporary:
        temporary.write_text("new")
        assert names(tmp_path / "deep") == [temporary.name]
    assert (tmp_path / "deep" / "out").read_text() == "new"
    assert names(tmp_path / "deep") == ["out"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, failure: type[BaseException]) -> None:
    (tmp_path / "out").write_text("old")

    def fail() -> None:
        with atomic_file(tmp_path / "out") as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert (tmp_path / "out").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_a_folder_replaces_the_old_one_completely(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stale").touch()
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "fresh").write_text("x")
    assert names(tmp_path / "out") == ["fresh"]
    assert names(tmp_path) == ["out"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()

    def fail() -> None:
        with atomic_folder(tmp_path / "out") as temporary:
            (temporary / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path / "out") == ["old"]
    assert names(tmp_path) == ["out"]


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".out.{ended.pid}.tmp").mkdir()
    (tmp_path / f".out.{os.getppid()}.tmp").mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == [f".out.{os.getppid()}.tmp", "out"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_an_error_with_a_next_step(tmp_path: Path, number: int) -> None:
    error = pytest.raises(OutOfSpaceError, match=r"(?s)could not be written.*next: free space")
    with error, writing(tmp_path / "out"):
        raise OSError(number, "refused")


def test_a_full_disk_is_recognised_in_the_error_text_of_other_libraries(tmp_path: Path) -> None:
    error = pytest.raises(OutOfSpaceError, match="could not be written")
    with error, writing(tmp_path / "out"):
        raise RuntimeError("serializing failed: No space left on device (os error 28)")


def test_other_system_errors_are_not_converted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing(tmp_path / "out"):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "out.json", {"x": math.nan})
    assert names(tmp_path) == []


def test_sha256_hashes_the_content(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == expected
