"""Exported models predict files of raw rows as the models that they were."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import emm
from emm.api.opening import open_model
from emm.commands import cli
from emm.config.project import load_project
from emm.core.errors import ModelFileError, ParamsError
from emm.export.bundle import write_bundle
from emm.export.golden import golden_rows
from emm.export.predicting import BundleModel
from emm.export.row import Row, row_of
from emm.export.verify import Verified
from emm.predict.encoder import open_encoder
from emm.predict.predictor import Predictor
from emm.predict.run import predict_files
from tests.predict.projects import evaluated, inside
from tests.predict.shops import NAME, TRAIN, build_shop, visits

pytest.importorskip("onnxruntime")

MODELS = ("tm-1", "gbdt", "shared_bottom", "emm")
FAST = "shared_bottom"
EXPORTED = (FAST, pytest.param("emm", marks=pytest.mark.slow))  # of networks and trees
LOGITS = ["bought", "spent", "size:S", "size:M", "size:L"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of all kinds of columns and tasks."""
    return build_shop(tmp_path_factory.mktemp("exported"), MODELS)


def exported(shop: Path, model: str) -> Path:
    """A model as exported folder."""
    out = shop / "export" / model
    if not out.exists():
        out.mkdir(parents=True)
        unchecked = Verified(0, 0.0, 0.0, trees=True)  # the check has tests of its own
        with inside(shop), pytest.MonkeyPatch.context() as patch:
            patch.setattr("emm.export.bundle.verify", lambda *_, **__: unchecked)
            write_bundle(out, row_of(load_project(), NAME, model, 3))
    return out


@pytest.fixture(scope="module")
def second(shop: Path) -> Path:
    """The raw file of the second half of the rows."""
    return shop / "data/raw" / NAME / "visits-2.csv"


@pytest.mark.parametrize("model", EXPORTED)
def test_the_raw_text_has_the_logits_of_evaluate(
    shop: Path, second: Path, tmp_path: Path, model: str
) -> None:
    opened = open_model(exported(shop, model)).model
    assert isinstance(opened, BundleModel)
    predict_files(opened, [second], tmp_path / "out.parquet", as_logits=True)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found["session"].to_list() == visits()["session"][TRAIN:].to_list()
    expected = evaluated(shop, NAME, model)
    np.testing.assert_allclose(found.select(LOGITS).to_numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("model", EXPORTED)
def test_probabilities_and_values_are_those_of_the_row(shop: Path, model: str) -> None:
    rows = visits()[TRAIN:]
    with inside(shop):
        expected = emm.load(f"{NAME}/tiny/{model}").predict(rows)
    found = emm.load(exported(shop, model)).predict(rows)
    assert found.schema == expected.schema
    differences = (found - expected).select(pl.all().abs().max()).row(0, named=True)
    spread = expected["spent"].std()
    assert max(value for name, value in differences.items() if name != "spent") < 1e-5
    assert differences["spent"] < 1e-4 * spread


def test_rows_in_several_pieces_have_the_same_logits(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rows = emm.load(exported(shop, FAST)), visits()[:50]
    whole = model.logits(rows)
    monkeypatch.setattr("emm.export.predicting.ROWS", 7)
    np.testing.assert_allclose(model.logits(rows).to_numpy(), whole.to_numpy(), atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_logits_are_the_same_with_any_number_of_threads(
    shop: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr("emm.export.predicting.ROWS", 7)
    rows = visits()[:50]
    found, expected = (
        Predictor(open_model(exported(shop, FAST), threads=number).model).logits(rows)
        for number in (threads, 2)
    )
    assert found.equals(expected)


def test_predicting_with_an_export_starts_without_torch(
    shop: Path, second: Path, tmp_path: Path
) -> None:
    words = ["predict", str(exported(shop, FAST)), str(second), "--out", str(tmp_path / "out.csv")]
    code = (
        "import sys; from emm.commands import cli; cli.app(sys.argv[1:], standalone_mode=False)\n"
        "assert not {'torch', 'sklearn', 'lightgbm'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True, cwd=tmp_path)


def test_an_export_has_no_other_seed(shop: Path) -> None:
    with pytest.raises(ParamsError, match="an exported model has one seed"):
        open_model(exported(shop, FAST), seed=1)


def test_an_altered_export_is_refused(shop: Path, tmp_path: Path) -> None:
    for path in (exported(shop, FAST)).rglob("*"):
        target = tmp_path / path.relative_to(exported(shop, FAST))
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    inputs = (tmp_path / "inputs.json").read_text()
    (tmp_path / "inputs.json").write_text(inputs.replace('"-999"', '"-998"'))
    with pytest.raises(ModelFileError, match=r"another inputs.json than was exported"):
        open_model(tmp_path)


def test_the_command_takes_the_folder(shop: Path, second: Path, tmp_path: Path) -> None:
    words = ["predict", str(exported(shop, FAST)), str(second), "--out", str(tmp_path / "out.csv")]
    with inside(tmp_path):
        cli.app(words, standalone_mode=False)
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.columns == ["line", "session", *LOGITS]
    assert len(found) == len(visits()) - TRAIN


def test_funnels_are_those_of_the_graph(row: Row, bundle: Path) -> None:
    graph, rows = pl.read_parquet(bundle / "golden.parquet"), golden_rows(open_encoder(bundle))
    found = emm.load(bundle).predict(rows)
    for step in ("ctr", "cvr", "ctcvr"):
        np.testing.assert_allclose(found[step], graph[step], rtol=0, atol=1e-5)
