"""signature.json: read back as written, and refused where a file is another one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emm.core.errors import ModelFileError
from emm.export.signature import FORMAT, BundleSignature, File, read_signature, write_signature


def small(folder: Path) -> Path:
    """A folder with one file, and its signature."""
    (folder / "model.onnx").write_bytes(b"a model")
    sha = "39a0a8bb54dbb0b6cb0c8ed23fba2b5eed19ac9d4a1fdb9bd2eef3e4b5a5e7b2"
    parts: dict[str, Any] = {"tasks": (), "funnel": (), "inputs": (), "outputs": ()}
    files = {"model.onnx": File(7, sha)}
    write_signature(BundleSignature(FORMAT, "a/b/c", {"seed": "0"}, files=files, **parts), folder)
    return folder


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "signature.json"
    tree = json.loads(path.read_text())
    edit(tree)
    path.write_text(json.dumps(tree))


def test_it_names_every_file_by_size_and_hash(bundle: Path) -> None:
    signature = read_signature(bundle)
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert set(signature.files) == files - {"signature.json"}
    for name, each in signature.files.items():
        assert each.bytes == (bundle / name).stat().st_size


@pytest.mark.parametrize("name", ["model.onnx", "golden.parquet", "README.md", "1/model.onnx"])
def test_an_altered_file_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=f"has another {name} than was exported"):
        read_signature(copy)


def test_a_missing_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "golden.parquet").unlink()
    with pytest.raises(ModelFileError, match=r"lacks the file golden\.parquet"):
        read_signature(copy)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.update(format=9), "another format"),
        (lambda t: t.update(inputs=3), "damaged: inputs: got 3"),
        (lambda t: t.update(more=3), "damaged: more: unknown key"),
        (lambda t: t["files"].update({"../x": t["files"]["model.onnx"]}), "outside of it: ../x"),
        (lambda t: t.update(files={}), r"names no model\.onnx"),
    ],
)
def test_a_damaged_signature_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    folder = small(tmp_path)
    change(folder, edit)
    with pytest.raises(ModelFileError, match=message):
        read_signature(folder)


def test_a_folder_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        read_signature(tmp_path)
