"""The stage `export` and the command, on a project whose rows of test are gone."""

from pathlib import Path

import pytest

from emm.commands.export import export_row
from emm.core.errors import ModelFileError, ParamsError
from emm.export.signature import read_signature
from stages.export import main as export
from tests.configuration import CENSUS
from tests.export.project import MODEL, mall_project

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    return mall_project(folder, tmp_path_factory.mktemp("mall"))


@pytest.fixture(scope="module")
def exported(params: Path) -> Path:
    export(CENSUS, MODEL, params)
    return params.parent / "data/exported" / CENSUS / "paper" / MODEL


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_stage_exports_the_first_seed_without_reading_test(exported: Path) -> None:
    signature = read_signature(exported)
    assert signature.name == f"{CENSUS}/paper/{MODEL}"
    assert signature.source["seed"] == "0"
    assert "ECE is the expected calibration error" in (exported / "README.md").read_text()


def test_the_command_writes_the_same_bytes_as_the_stage(
    exported: Path, params: Path, tmp_path: Path
) -> None:
    lines = [*export_row(f"{CENSUS}/{MODEL}", tmp_path / "out", file=params)]
    assert lines[-1] == f"written: {tmp_path / 'out'}"
    assert contents(tmp_path / "out") == contents(exported)


def test_another_seed_is_another_model(exported: Path, params: Path, tmp_path: Path) -> None:
    [*export_row(f"{CENSUS}/paper/{MODEL}", tmp_path, 1, params)]  # the folder is empty
    assert read_signature(tmp_path).source["seed"] == "1"
    assert (tmp_path / "model.safetensors").read_bytes() != (
        exported / "model.safetensors"
    ).read_bytes()


def test_an_earlier_export_is_replaced_and_nothing_else(params: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    with pytest.raises(ParamsError, match="exists, and isn't an earlier export"):
        next(export_row(f"{CENSUS}/{MODEL}", tmp_path, file=params))
    with pytest.raises(ParamsError, match="exists, and isn't an earlier export"):
        next(export_row(f"{CENSUS}/{MODEL}", kept, file=params))
    assert kept.read_text() == "mine"
    kept.unlink()
    (tmp_path / "signature.json").write_text("{}")
    (tmp_path / "old.txt").write_text("old")
    [*export_row(f"{CENSUS}/{MODEL}", tmp_path, file=params)]
    assert not (tmp_path / "old.txt").exists()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("gbdt", ParamsError, "'gbdt' names no trained model"),
        ("a/b/c/d", ParamsError, "names no trained model"),
        ("census-incme/paper/gbdt", ParamsError, "did you mean 'census-income'"),
        (f"{CENSUS}/papr/gbdt", ParamsError, "did you mean 'paper'"),
        (f"{CENSUS}/paper/gbt", ModelFileError, "no trained model .*gbt of seed 0(.|\n)*gbdt"),
    ],
)
def test_a_name_that_stands_for_no_model_is_refused(
    params: Path, tmp_path: Path, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        [*export_row(name, tmp_path / "out", file=params)]
    assert not (tmp_path / "out").exists()


def test_a_seed_that_was_not_trained_is_named(params: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"of seed 7(.|\n)*got: seeds 0, 1"):
        [*export_row(f"{CENSUS}/{MODEL}", tmp_path / "out", 7, params)]


def test_a_model_that_was_not_evaluated_has_a_card_without_scores(
    params: Path, tmp_path: Path
) -> None:
    evaluation = params.parent / "data/evaluation"
    evaluation.rename(tmp_path / "elsewhere")
    try:
        lines = [*export_row(f"{CENSUS}/{MODEL}", tmp_path / "out", file=params)]
    finally:
        (tmp_path / "elsewhere").rename(evaluation)
    assert lines[-2].endswith("has not been evaluated: its README.md states no scores")
    assert "This model has not been evaluated." in (tmp_path / "out/README.md").read_text()
