"""Files that hold a trained model, but not as trees are saved, and what is said of each."""

import json
import pickle
import zlib
from pathlib import Path

import lightgbm
import pytest
import torch
import xgboost
from sklearn.linear_model import LogisticRegression

from emm.core.errors import ModelFileError
from emm.outside.open import kind_of
from emm.outside.settings import OutsideModel
from tests.outside.raw_scoring import context_of_table, opened
from tests.outside.tree_cases import LABEL, QUIET, TRAIN
from tests.outside.tree_tables import NUMBERS, frame

LIGHTGBM = {**QUIET, "objective": "binary"}
XGBOOST = {"objective": "binary:logistic", "nthread": 1}
TABLE = frame(TRAIN, NUMBERS, {})
CONTEXT = context_of_table(TRAIN)


def write(kind: str, path: Path) -> None:
    """Write what isn't a saved model of trees."""
    booster = xgboost.train(XGBOOST, xgboost.DMatrix(TABLE, LABEL, nthread=1), 2)
    trees = lightgbm.train(LIGHTGBM, lightgbm.Dataset(TABLE, LABEL, params=QUIET), 2)
    model = LogisticRegression().fit(TABLE.fillna(0).to_numpy(), LABEL)
    if kind == "LightGBM's dump":
        path.write_text(json.dumps(trees.dump_model()))
    elif kind in ("json", "text"):
        booster.dump_model(path, dump_format=kind)
    elif kind == "configuration":
        path.write_text(booster.save_config())
    elif kind == "PyTorch":
        torch.save(torch.nn.Linear(2, 1).state_dict(), path)
    else:
        protocol = 0 if kind == "text pickle" else 5
        content = pickle.dumps(model, protocol=protocol)
        path.write_bytes(zlib.compress(content) if kind == "joblib" else content)


WAYS_OUT = {
    "LightGBM's dump": ("what LightGBM's dump_model shows", r'booster\.save_model\("model\.txt"\)'),
    "json": ("what XGBoost's dump_model shows", r'model\.save_model\("model\.json"\)'),
    "text": ("what XGBoost's dump_model shows", r'model\.save_model\("model\.json"\)'),
    "configuration": (r"XGBoost's configuration \(save_config\)", r'save_model\("model\.json"\)'),
    "PyTorch": ("a PyTorch network or its weights", r"torch\.onnx\.export"),
    "pickle": ("is a pickle", r"skl2onnx\.to_onnx(.|\n)*SerializeToString"),
    "text pickle": ("is a pickle", r"skl2onnx\.to_onnx"),
    "joblib": ("is a compressed pickle, as joblib writes it", r"skl2onnx\.to_onnx"),
}


@pytest.mark.parametrize("kind", WAYS_OUT)
def test_each_other_kind_of_file_has_its_own_sentence_and_way_out(
    kind: str, tmp_path: Path
) -> None:
    what, way_out = WAYS_OUT[kind]
    write(kind, tmp_path / "m")
    with pytest.raises(ModelFileError, match=rf"{what}(.|\n)*{way_out}"):
        opened(tmp_path / "m", CONTEXT, columns="raw")


def test_a_file_that_is_no_trees_may_be_onnx(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"\x08\x0a\x12\x07pytorch")
    assert kind_of(OutsideModel("task", model=str(tmp_path / "m"))) == "onnx"
