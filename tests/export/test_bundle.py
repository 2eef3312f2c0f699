"""Exported folders: their files, which run without this project and have stable bytes."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import ModelFileError
from emm.export.bundle import Exported, write_bundle
from emm.export.card import score_example
from emm.export.row import Row
from emm.export.said import sentences
from emm.export.signature import read_signature
from emm.predict.encoder import open_encoder

FILES = {
    "1/model.onnx",
    "README.md",
    "config.pbtxt",
    "golden.parquet",
    "inputs.json",
    "model.json",
    "model.onnx",
    "model.safetensors",
    "schema.json",
    "signature.json",
    "vocabularies.parquet",
}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_folder_has_the_model_and_what_describes_it(bundle: Path, row: Row) -> None:
    found = contents(bundle)
    assert set(found) == FILES
    assert found["1/model.onnx"] == found["model.onnx"]
    for name in ("schema.json", "vocabularies.parquet"):
        assert found[name] == (row.processed / name).read_bytes()
    for name in ("model.json", "model.safetensors"):
        assert found[name] == (row.models / name).read_bytes()


def test_the_same_model_gives_the_same_bytes(bundle: Path, row: Row, tmp_path: Path) -> None:
    write_bundle(tmp_path, row)
    assert contents(tmp_path) == contents(bundle)


def test_the_lines_of_the_card_score_the_golden_rows_without_this_project(bundle: Path) -> None:
    guard = "\nimport sys\nassert not {'torch', 'emm', 'onnx'} & {*sys.modules}"
    code = score_example() + guard
    assert len(list(filter(None, score_example().splitlines()))) <= 14
    run = [sys.executable, "-I", "-c", code]
    found = subprocess.run(run, cwd=bundle, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_the_lines_notice_a_prediction_that_differs(bundle: Path, tmp_path: Path) -> None:
    for name in ("model.onnx", "signature.json"):
        (tmp_path / name).write_bytes((bundle / name).read_bytes())
    rows = pl.read_parquet(bundle / "golden.parquet")
    off = rows.with_columns(pl.col("probability_clicked") + 1e-4)
    off.write_parquet(tmp_path / "golden.parquet")
    run = [sys.executable, "-I", "-c", score_example()]
    found = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "AssertionError" in found.stderr


def test_the_encoder_of_the_folder_encodes_as_that_of_the_data(bundle: Path, row: Row) -> None:
    rows = pl.read_parquet(bundle / "golden.parquet")
    assert open_encoder(bundle).encode(rows).equals(open_encoder(row.processed).encode(rows))


def test_the_signature_names_columns_tasks_and_tolerances(bundle: Path) -> None:
    signature = read_signature(bundle)
    columns = {each.column: (each.name, each.role, each.type) for each in signature.inputs}
    assert columns["user_id"] == ("user_id", "sparse", "text")  # no double holds 19 digits
    assert columns["zip code"] == ("zip_code", "sparse", "text")
    assert columns["price"] == ("price", "dense", "double")
    assert columns["when"] == ("when", "date", "text")
    assert columns["genres"] == ("genres", "bag", "text")
    assert [task.kind for task in signature.tasks] == ["binary", "binary", "regression", "classes"]
    spent, size = signature.tasks[2], signature.tasks[3]
    assert spent.std is not None
    assert set(size.classes) == {"small", "medium", "tall"}
    assert signature.funnel == ("clicked", "bought")
    tolerances = {each.name: each.tolerance for each in signature.outputs}
    assert tolerances["logit_clicked"] == 1e-4
    assert tolerances["ctcvr"] == tolerances["probability_size"] == 1e-5
    assert tolerances["value_spent"] == pytest.approx(1e-4 * spent.std)
    assert signature.source == {"dataset": "shop", "recipe": "paper", "model": "gbdt", "seed": "1"}


def test_what_is_said_tells_the_differences_and_warns_of_identifiers(
    written: tuple[Path, Exported],
) -> None:
    first, second = sentences("shop/paper/gbdt", written[1])
    assert "on 1,024 golden rows; encoded columns and trees have equal bits" in first
    assert "warning: the vocabularies of user_id may identify people" in second


def test_a_model_that_was_trained_on_other_data_is_refused(row: Row, tmp_path: Path) -> None:
    processed = tmp_path / "processed"
    processed.mkdir()
    for path in row.processed.iterdir():
        if path.is_file():
            (processed / path.name).write_bytes(path.read_bytes())
    (processed / "raw").symlink_to(row.processed / "raw")
    tree = json.loads((processed / "schema.json").read_text())
    (processed / "schema.json").write_text(json.dumps(tree))
    other = Row(**{**vars(row), "processed": processed})
    with pytest.raises(ModelFileError, match="trained on data with another encoding"):
        write_bundle(tmp_path, other)
