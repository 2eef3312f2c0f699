import pickle
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import torch
import xgboost
from numpy.typing import NDArray

from emm.core.errors import DataError, ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native import files
from emm.trees.native.load import load_native_trees

ROWS = 200
INPUTS = Inputs(dense=2, cardinalities=(4,))
NAMES = ("age", "gains", "sex")
Array = NDArray[Any]


def make_rows() -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    columns = random.normal(size=(ROWS, 3)).astype(np.float32)
    columns[:, 2] = random.integers(0, 4, ROWS)
    return columns, (columns[:, 0] * columns[:, 2] > 0.3).astype(np.uint8)


def boosted_by_lightgbm() -> lightgbm.Booster:
    params = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    return lightgbm.train(params, lightgbm.Dataset(*make_rows(), params=params), 3)


def boosted_by_xgboost() -> xgboost.Booster:
    params = {"objective": "binary:logistic", "nthread": 1}
    return xgboost.train(params, xgboost.DMatrix(*make_rows(), nthread=1), 3)


def test_a_lightgbm_model_is_recognised_by_its_content(tmp_path: Path) -> None:
    booster = boosted_by_lightgbm()
    booster.save_model(tmp_path / "model")
    check(load_native_trees(tmp_path / "model", INPUTS, NAMES), booster.predict(make_rows()[0]))


@pytest.mark.parametrize("indent", [None, 2])
def test_an_xgboost_model_is_recognised_by_its_content(tmp_path: Path, indent: int | None) -> None:
    booster = boosted_by_xgboost()
    booster.save_model(tmp_path / "model.json")
    path = (tmp_path / "model.json").rename(tmp_path / "model.txt")
    if indent:
        path.write_text(path.read_text().replace(",", ",\n  ").replace("{", "\n{\n  "))
    probabilities = booster.predict(xgboost.DMatrix(make_rows()[0], nthread=1))
    check(load_native_trees(path, INPUTS, NAMES), probabilities)


def check(ensemble: TreeEnsemble, probabilities: Array) -> None:
    columns = torch.tensor(make_rows()[0])
    ours = ensemble(columns[:, :2], columns[:, 2:].int()).sigmoid()[:, 0]
    np.testing.assert_allclose(ours.numpy(), probabilities, rtol=0, atol=1e-6)


def test_ubjson_holds_the_same_trees(tmp_path: Path) -> None:
    booster = boosted_by_xgboost()
    booster.save_model(tmp_path / "m.ubj")
    probabilities = booster.predict(xgboost.DMatrix(make_rows()[0], nthread=1))
    check(load_native_trees(tmp_path / "m.ubj", INPUTS, NAMES), probabilities)


class Trap:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_is_refused_without_loading_it(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ModelFileError, match=r"is a pickle, which could run code(.|\n)*to_onnx"):
        load_native_trees(tmp_path / "m.pkl", INPUTS, NAMES)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\x08\x0a\x12\x03abc", "neither LightGBM's text nor XGBoost's JSON"),
        (b"trees\n", "neither LightGBM's text nor XGBoost's JSON"),
        (b"[1, 2]", "neither LightGBM's text nor XGBoost's JSON"),
        (b'{"version": [3, 2, 0]}', "it has no 'learner'"),
        (b"tree\nversion=v4\n", "it is cut off"),
        (b"tree\n\xff\nend of trees", "it isn't text"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        load_native_trees(tmp_path / "m", INPUTS, NAMES)


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_an_unreadable_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        load_native_trees(tmp_path / name, INPUTS, NAMES)


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boosted_by_lightgbm().save_model(tmp_path / "m.txt")
    monkeypatch.setattr(files, "LARGEST_FILE", 100)
    with pytest.raises(ModelFileError, match="too large"):
        load_native_trees(tmp_path / "m.txt", INPUTS, NAMES)


@pytest.mark.parametrize("names", [NAMES[:2], ("age", "age", "sex")])
def test_names_that_do_not_match_the_inputs_are_an_error(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    with pytest.raises(DataError, match="expected: 3 distinct names"):
        load_native_trees(tmp_path / "m", INPUTS, names)
