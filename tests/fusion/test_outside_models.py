from pathlib import Path

import numpy as np
import pytest
import torch

from emm.core.errors import ModelFileError, ParamsError
from emm.core.files import sha256
from emm.fusion.trained_models import pipeline_networks, pipeline_trees
from emm.outside.factories import trusting
from emm.outside.settings import OutsideModel
from emm.training.store import load_model
from tests.fusion.conftest import (
    SCHEMA,
    save_boosted,
    save_trained,
)
from tests.fusion.entries import load
from tests.fusion.fused import rows
from tests.fusion.native import predictions, save_native

DEEP, SHALLOW = "tests.fusion.outside:Deep", "tests.fusion.outside:Shallow"
TASKS = ["t0", "t1"]
PARTS = ["seed-0", "seed-0/fold-1"]


@pytest.mark.parametrize("part", PARTS)
def test_own_networks_are_those_of_a_run(tmp_path: Path, part: str) -> None:
    for seed, name in enumerate(PARTS):
        folders = save_trained(tmp_path, 2, ("narrow", "wide"), name, seed)
    found = pipeline_networks(folders, TASKS, SCHEMA, part)
    assert [(each.name, each.task) for each in found] == [
        ("narrow/t0", 0),
        ("narrow/t1", 1),
        ("wide/t0", 0),
        ("wide/t1", 1),
    ]
    for each in found:
        structure, task = each.name.split("/")
        stored = tmp_path / structure / part / task
        expected, _ = load_model(stored, SCHEMA)
        assert torch.equal(each.model(*rows(5)), expected(*rows(5)))
        assert each.source_sha256 == sha256(stored / "model.safetensors")


@pytest.mark.parametrize("part", PARTS)
def test_own_trees_are_those_of_a_run(tmp_path: Path, part: str) -> None:
    for seed, name in enumerate(PARTS):
        folders = save_boosted(tmp_path, 2, part=name, seed=10 * seed)
    found = pipeline_trees(folders, TASKS, SCHEMA, part)
    assert [(each.name, each.task) for each in found] == [("gbdt/t0", 0), ("gbdt/t1", 1)]
    expected, _ = load_model(tmp_path / "gbdt" / part, SCHEMA)
    logits = torch.cat([each.model(*rows(5)) for each in found], dim=1)
    assert torch.equal(logits, expected(*rows(5)))
    assert found[0].source_sha256 == sha256(tmp_path / "gbdt" / part / "model.safetensors")


def test_a_model_without_trees_is_rejected(tmp_path: Path) -> None:
    save_trained(tmp_path, 1, ("narrow",))
    folder = {"narrow": tmp_path / "narrow" / "seed-0"}
    with pytest.raises(ModelFileError, match=r"(?s)no tree ensemble.*got: single_task of t0"):
        pipeline_trees(folder, ["t0"], SCHEMA, "t0")


def test_trees_of_other_tasks_are_rejected(tmp_path: Path) -> None:
    folders = save_boosted(tmp_path, 2)
    with pytest.raises(ModelFileError, match=r"(?s)gbdt of t0, t1.*trees of t1, t0"):
        pipeline_trees(folders, ["t1", "t0"], SCHEMA, "seed-0")


@pytest.mark.parametrize("load", [pipeline_networks, pipeline_trees])
def test_own_models_of_another_encoding_are_rejected(tmp_path: Path, load: object) -> None:
    save = save_trained if load is pipeline_networks else save_boosted
    folders = save(tmp_path, 2, *([("narrow",)] if load is pipeline_networks else []))
    with pytest.raises(ModelFileError, match="another encoding"):
        load(folders, TASKS, "1" * 64, "seed-0")


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_outside_trees_predict_like_their_library(tmp_path: Path, library: str) -> None:
    path = save_native(tmp_path, library)
    entries = {"boosted": OutsideModel("t1", model=str(path))}
    found = load(entries)
    (grown,) = found.trees
    assert (found.networks, found.opaque) == ([], [])
    assert (grown.name, grown.task, grown.source_sha256) == ("boosted", 1, sha256(path))
    ours = grown.model.decision(*rows(200)).numpy()
    np.testing.assert_allclose(ours, predictions(path), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "entry",
    [
        OutsideModel("t0"),
        OutsideModel("t0", factory=DEEP),
        OutsideModel("t0", weights="model.safetensors", tower="out"),
    ],
    ids=["nothing", "a factory alone", "weights alone"],
)
def test_an_entry_that_is_neither_network_nor_file_is_an_error(entry: OutsideModel) -> None:
    error = pytest.raises(ParamsError, match="neither a network nor a model file")
    with trusting([DEEP]), error:
        load({"risk": entry})


@pytest.mark.parametrize("key", ["model", "weights"])
def test_a_missing_file_is_an_error(tmp_path: Path, key: str) -> None:
    entry = OutsideModel("t0", **{"factory": DEEP, key: str(tmp_path / "absent")})
    with trusting([DEEP]), pytest.raises(ModelFileError, match="can't be read"):
        load({"risk": entry})


def test_weights_of_another_model_are_rejected(weights: dict[str, Path]) -> None:
    entry = OutsideModel("t0", factory=DEEP, weights=str(weights[SHALLOW]))
    error = pytest.raises(ModelFileError, match=r"doesn't fit the model that .*:Deep builds")
    with trusting([DEEP]), error:
        load({"risk": entry})


def test_an_unknown_task_is_an_error(weights: dict[str, Path]) -> None:
    entry = OutsideModel("t9", factory=DEEP, weights=str(weights[DEEP]))
    with trusting([DEEP]), pytest.raises(ParamsError, match="no task is called 't9'"):
        load({"risk": entry})


def test_outside_trees_are_not_for_regression_tasks(tmp_path: Path) -> None:
    entry = OutsideModel("t1", model=str(save_native(tmp_path, "lightgbm")))
    with pytest.raises(ParamsError, match="can't join a regression task"):
        load({"risk": entry}, regressions=["t1"])


def test_an_altered_model_is_rejected(tmp_path: Path) -> None:
    folders = save_trained(tmp_path, 2, ("narrow",))
    file = tmp_path / "narrow" / "seed-0" / "t1" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match="altered"):
        pipeline_networks(folders, TASKS, SCHEMA, "seed-0")
