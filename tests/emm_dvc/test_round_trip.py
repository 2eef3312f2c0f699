"""Files of the configuration are changed without touching what people wrote around the change."""

from pathlib import Path
from typing import Any

import pytest

from emm.core.errors import ParamsError
from emm_dvc.round_trip import edit_yaml
from tests.configuration import ROOT

FILES = ["params.yaml", *(f"conf/{file}" for file in ("default.yaml", "census-income/tuned.yaml"))]


def add_a(tree: Any) -> None:
    tree["a"] = 1


@pytest.mark.parametrize("name", FILES)
def test_the_projects_own_files_keep_every_byte_but_the_change(name: str, tmp_path: Path) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    file = tmp_path / "file.yaml"
    file.write_text(text, encoding="utf-8")
    edit_yaml(file, add_a)
    assert file.read_text(encoding="utf-8") == f"{text}a: 1\n"


def test_a_file_that_nothing_changes_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("a: 1   # one\n")
    file.chmod(0o444)
    before = file.stat()
    edit_yaml(file, add_a)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


def test_an_empty_file_gets_the_key(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("")
    edit_yaml(file, add_a)
    assert file.read_text() == "a: 1\n"


def test_a_key_that_is_there_twice_is_an_error_and_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("b: 1\nb: 2\n")
    with pytest.raises(ParamsError, match=r"isn't YAML: found duplicate key \"b\".*\n.*line 2\n"):
        edit_yaml(file, add_a)
    assert file.read_text() == "b: 1\nb: 2\n"
