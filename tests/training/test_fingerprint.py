from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emm.training.fingerprint import fingerprint
from tests.training.tiny import fusion, training

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/risk.py").write_text("one")
    (tmp_path / "train.parquet").write_bytes(b"rows")
    return tmp_path


def of(folder: Path, **changes: object) -> dict[str, str]:
    settings = {"training": replace(training(), **changes), "fusion": fusion()}
    data = [folder / "train.parquet", folder / "bags.parquet"]
    return fingerprint(CPU, settings, data, [folder / "pool"])


def test_equal_content_has_the_same_fingerprint(folder: Path) -> None:
    assert of(folder) == of(folder)
    assert set(of(folder)) == {"settings", "data", "code", "versions"}


def differing(folder: Path, before: dict[str, str], **changes: object) -> list[str]:
    return [part for part, digest in of(folder, **changes).items() if before[part] != digest]


def test_each_part_shows_its_changes(folder: Path) -> None:
    before = of(folder)
    assert differing(folder, before, batch_size=65) == ["settings"]
    assert differing(folder, before, seeds=(0, 1)) == ["settings"]
    (folder / "train.parquet").write_bytes(b"rowt")
    assert differing(folder, before) == ["data"]
    (folder / "bags.parquet").touch()
    (folder / "train.parquet").write_bytes(b"rows")
    assert differing(folder, before) == ["data"]
    (folder / "bags.parquet").unlink()
    (folder / "pool/risk.py").write_text("two")
    assert differing(folder, before) == ["code"]


def test_compiled_files_do_not_count_as_code(folder: Path) -> None:
    before = of(folder)
    (folder / "pool/__pycache__").mkdir()
    (folder / "pool/__pycache__/risk.pyc").write_bytes(b"x")
    assert of(folder) == before


def test_another_version_of_a_library_changes_the_fingerprint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of(folder)
    monkeypatch.setattr(torch, "__version__", "0.1")
    assert differing(folder, before) == ["versions"]
