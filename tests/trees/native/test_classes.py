"""Models of several classes from LightGBM and XGBoost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from scipy.special import softmax

from emm.core.errors import ModelFileError
from emm.trees.forest import TreeEnsemble
from emm.trees.native.load import load_native_trees
from tests.trees.native.foreign_trees import (
    INPUTS,
    NAMES,
    SETS,
    Array,
    decision,
    lightgbm_booster,
    make_rows,
    xgboost_booster,
    xgboost_matrix,
)

CLASSES = 4
SOFTMAX = {"objective": "multi:softprob", "num_class": CLASSES}
MULTICLASS = {"objective": "multiclass", "num_class": CLASSES}
Save = Callable[[Any], Path]


def make_classes(seed: int = 0) -> tuple[Array, Array]:
    """Columns, and unequally frequent classes that depend on them."""
    columns, _ = make_rows(seed=seed)
    score = np.nan_to_num(columns[:, :3], nan=1.0).sum(1) + columns[:, 3]
    return columns, np.digitize(score, np.quantile(score, [0.2, 0.7, 0.9]))


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(model: Any) -> Path:
        if isinstance(model, str):
            (tmp_path / "m").write_text(model, "utf-8")
        elif isinstance(model, dict):
            (tmp_path / "m").write_text(json.dumps(model), "utf-8")
        elif isinstance(model, lightgbm.Booster):
            model.save_model(tmp_path / "m", num_iteration=-1)
        else:
            model.save_model(tmp_path / "m.json")
            return tmp_path / "m.json"
        return tmp_path / "m"

    return save


def read(path: Path, outputs: int = CLASSES) -> TreeEnsemble:
    return load_native_trees(path, INPUTS, NAMES, outputs)


def test_logits_are_the_raw_scores_of_lightgbm(save: Save) -> None:
    columns, labels = make_classes()
    booster = lightgbm_booster(columns, labels, SETS, rounds=6, **MULTICLASS)
    ours = decision(read(save(booster)), columns)
    expected = booster.predict(columns, raw_score=True)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "params",
    [{}, {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, {"boosting": "dart"}],
    ids=["gbdt", "random forest", "dart"],
)
def test_the_softmax_is_the_probability_of_lightgbm(params: dict[str, Any], save: Save) -> None:
    columns, labels = make_classes()
    booster = lightgbm_booster(columns, labels, SETS, rounds=6, **MULTICLASS, **params)
    ours = softmax(decision(read(save(booster)), columns), axis=1)
    np.testing.assert_allclose(ours, booster.predict(columns), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"objective": "multi:softmax"},
        {"base_score": 0.3},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"booster": "dart", "rate_drop": 0.5, "one_drop": 1},
    ],
    ids=str,
)
def test_logits_are_the_margins_of_xgboost(params: dict[str, Any], save: Save) -> None:
    columns, labels = make_classes()
    data = xgboost_matrix(columns, labels, SETS)
    booster = xgboost_booster(data, rounds=5, **(SOFTMAX | params))
    ours = decision(read(save(booster)), columns)
    expected = booster.predict(data, output_margin=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=2e-6)


def test_an_early_stopped_classifier_ends_at_its_best_round(save: Save) -> None:
    columns, labels = make_classes()
    classifier = xgboost.XGBClassifier(
        n_estimators=60, learning_rate=0.9, max_depth=3, early_stopping_rounds=3, n_jobs=1
    )
    classifier.fit(columns, labels, eval_set=[make_classes(seed=1)], verbose=False)
    assert classifier.best_iteration + 1 < classifier.get_booster().num_boosted_rounds()
    ours = decision(read(save(classifier)), columns)
    expected = classifier.predict(columns, output_margin=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=2e-6)


def test_a_single_base_score_is_that_of_all_classes(save: Save) -> None:
    columns, labels = make_classes()
    data = xgboost_matrix(columns, labels)
    booster = xgboost_booster(data, rounds=2, base_score=0.5, **SOFTMAX)
    model = json.loads(booster.save_raw("json"))
    model["learner"]["learner_model_param"]["base_score"] = "5E-1"  # as before version 3.1
    expected = booster.predict(data, output_margin=True)
    np.testing.assert_allclose(decision(read(save(model)), columns), expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_another_number_of_classes_is_an_error(library: str, outputs: int, save: Save) -> None:
    columns, labels = make_classes()
    if library == "lightgbm":
        booster = lightgbm_booster(columns, labels, rounds=1, **MULTICLASS)
    else:
        booster = xgboost_booster(xgboost_matrix(columns, labels), rounds=1, **SOFTMAX)
    kind = "a binary classifier" if outputs == 1 else "a classifier of 3 classes"
    with pytest.raises(ModelFileError, match=f"isn't {kind}(.|\n)*got: .*num_class=4"):
        read(save(booster), outputs)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_binary_model_of_a_task_of_classes_is_an_error(library: str, save: Save) -> None:
    columns, labels = make_rows()
    if library == "lightgbm":
        booster = lightgbm_booster(columns, labels, rounds=1)
    else:
        booster = xgboost_booster(xgboost_matrix(columns, labels), rounds=1)
    with pytest.raises(ModelFileError, match="isn't a classifier of 4 classes"):
        read(save(booster))


def test_one_versus_all_is_refused_as_its_probabilities_are_no_softmax(save: Save) -> None:
    columns, labels = make_classes()
    params = MULTICLASS | {"objective": "multiclassova"}
    with pytest.raises(ModelFileError, match="got: objective=multiclassova"):
        read(save(lightgbm_booster(columns, labels, rounds=1, **params)))


def test_lightgbm_trees_that_lack_a_class_are_damaged(save: Save) -> None:
    text = lightgbm_booster(*make_classes(), rounds=2, **MULTICLASS).model_to_string()
    cut = text[: text.index("Tree=7")] + text[text.index("end of trees") :]
    sizes = next(line for line in cut.splitlines() if line.startswith("tree_sizes="))
    with pytest.raises(ModelFileError, match="7 trees aren't as many for each class"):
        read(save(cut.replace(sizes, sizes.rpartition(" ")[0])))


@pytest.mark.parametrize("classes", [[0, 1, 2, 2], [0, 1, 2, 9], [0, 1, 2, -1]], ids=str)
def test_xgboost_trees_that_lack_a_class_are_damaged(classes: list[int], save: Save) -> None:
    booster = xgboost_booster(xgboost_matrix(*make_classes()), rounds=1, **SOFTMAX)
    model = json.loads(booster.save_raw("json"))
    model["learner"]["gradient_booster"]["model"]["tree_info"] = classes
    with pytest.raises(ModelFileError, match="damaged: its 4 trees"):
        read(save(model))


def test_a_base_score_of_another_number_of_classes_is_damaged(save: Save) -> None:
    booster = xgboost_booster(xgboost_matrix(*make_classes()), rounds=1, **SOFTMAX)
    model = json.loads(booster.save_raw("json"))
    model["learner"]["learner_model_param"]["base_score"] = "[1E-1,2E-1]"
    with pytest.raises(ModelFileError, match="base_score is"):
        read(save(model))
