"""`emm serve` without what it needs."""

import json
import sys
from pathlib import Path

import pytest

from emm.core.errors import ModelFileError, ParamsError
from emm.export import serving


def test_a_missing_package_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kserve", None)
    with pytest.raises(ParamsError, match=r"needs the package kserve(.|\n)*emm\[serve\]|\.\[serve"):
        serving.serve(tmp_path, "127.0.0.1", 0, "", 1)


def test_a_folder_that_is_no_export_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_library", lambda name: None)
    (tmp_path / "signature.json").write_text(json.dumps({"format": 0}))
    with pytest.raises(ModelFileError, match="is of another format"):
        serving.serve(tmp_path, "127.0.0.1", 0, "", 1)


def test_the_options_of_this_command_are_not_read_by_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["emm", "serve", "bundle", "--http_port", "x"])
    seen: list[list[str]] = []
    monkeypatch.setattr(serving, "import_module", lambda name: seen.append(list(sys.argv)))
    serving._library("kserve")
    assert seen == [["emm"]]
    assert sys.argv[1] == "serve"
