import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from emm.core.errors import ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.xgboost_trees import read_xgboost
from tests.trees.native.foreign_trees import (
    INPUTS,
    NAMES,
    ROWS,
    SETS,
    Array,
    coded,
    decision,
    make_rows,
    xgboost_booster,
    xgboost_matrix,
)

Model = dict[str, Any]


def as_json(booster: xgboost.Booster) -> Model:
    return json.loads(booster.save_raw("json"))


def expected(booster: xgboost.Booster, data: xgboost.DMatrix) -> Array:
    return booster.predict(data, output_margin=True)


def assert_equal(ours: Array, theirs: Array) -> None:
    """Equal up to float32, in which XGBoost adds."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=2e-6)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., TreeEnsemble]:
    def read(
        model: xgboost.Booster | Model | str,
        inputs: Inputs = INPUTS,
        columns: Sequence[str] = NAMES,
    ) -> TreeEnsemble:
        path = tmp_path / "m.json"
        if isinstance(model, xgboost.Booster):
            model.save_model(path)
        else:
            path.write_text(model if isinstance(model, str) else json.dumps(model), "utf-8")
        return read_xgboost(path, inputs, columns)

    return read


@pytest.fixture(scope="module")
def text() -> str:
    return json.dumps(as_json(xgboost_booster(xgboost_matrix(*make_rows(), SETS, NAMES), rounds=3)))


@pytest.fixture
def model(text: str) -> Model:
    return json.loads(text)


@pytest.mark.parametrize("sets", [(), (3,), SETS], ids=["ordered", "one-hot", "sets"])
@pytest.mark.parametrize("objective", ["binary:logistic", "binary:logitraw"])
def test_equals_xgboost_on_the_rows_it_was_trained_on(
    sets: Sequence[int], objective: str, read: Callable[..., TreeEnsemble]
) -> None:
    columns, labels = make_rows()
    data = xgboost_matrix(columns, labels, sets)
    booster = xgboost_booster(data, objective=objective)
    assert_equal(decision(read(booster), columns), expected(booster, data))


@pytest.mark.parametrize(
    "params",
    [
        {"base_score": 0.03},
        {"base_score": -2.5, "objective": "binary:logitraw"},
        {"booster": "dart", "rate_drop": 0.5, "one_drop": 1},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0},
        {"tree_method": "exact", "gamma": 3.0},
    ],
    ids=["prior", "margin", "dart", "forest", "by loss", "pruned"],
)
def test_equals_xgboost_with_other_parameters(
    params: dict[str, Any], read: Callable[..., TreeEnsemble]
) -> None:
    columns, labels = make_rows()
    data = xgboost_matrix(columns, labels, () if "tree_method" in params else SETS)
    booster = xgboost_booster(data, **params)
    assert_equal(decision(read(booster), columns), expected(booster, data))


@pytest.mark.parametrize("most_categories", [5, 1000], ids=["sets", "one-hot"])
def test_sets_of_ids_of_a_large_field_send_each_id_where_xgboost_does(
    most_categories: int, read: Callable[..., TreeEnsemble]
) -> None:
    columns, labels = make_rows()
    sets = (*SETS, 4)
    data = xgboost_matrix(columns, labels, sets)
    booster = xgboost_booster(data, min_child_weight=0, max_cat_to_onehot=most_categories)
    probes = np.repeat(columns[:1], INPUTS.cardinalities[1], axis=0)
    probes[:, 4] = np.arange(len(probes))
    assert_equal(
        decision(read(booster), probes), expected(booster, xgboost_matrix(probes, None, sets))
    )


def test_ids_unseen_in_training_go_where_xgboost_sends_them(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    known = (columns[:, 5] < 60) & (columns[:, 6] % 2 == 0)
    booster = xgboost_booster(
        xgboost_matrix(columns[known], labels[known], SETS), min_child_weight=0
    )
    assert_equal(
        decision(read(booster), columns), expected(booster, xgboost_matrix(columns, None, SETS))
    )


def test_values_at_a_threshold_go_to_the_same_side(
    read: Callable[..., TreeEnsemble],
) -> None:
    inputs = Inputs(dense=1, cardinalities=())
    values = np.random.default_rng(0).normal(size=(ROWS, 1)).astype(np.float32)
    booster = xgboost_booster(xgboost_matrix(values, np.sin(4 * values[:, 0]) > 0))
    edges = np.float32(read(booster, inputs, ("x",)).threshold.numpy())
    neighbours = [np.nextafter(edges, np.float32(side)) for side in (-9, 9)]
    columns = np.concatenate([edges, *neighbours, [[0, -0.0, np.nan]]], axis=None)[:, None]
    ours = decision(read(booster, inputs, ("x",)), columns, inputs)
    assert_equal(ours, expected(booster, xgboost_matrix(columns)))


@pytest.mark.parametrize("seed", range(3))
def test_missing_values_go_where_xgboost_sends_them(
    seed: int, read: Callable[..., TreeEnsemble]
) -> None:
    columns, labels = make_rows(seed=seed)
    booster = xgboost_booster(xgboost_matrix(columns, labels, SETS))
    probes = np.repeat(columns, 3, axis=0)
    probes[:, :3] = np.random.default_rng(seed).choice([np.nan, 0, 0.3, -0.3], (len(probes), 3))
    assert_equal(
        decision(read(booster), probes), expected(booster, xgboost_matrix(probes, None, SETS))
    )


def test_trees_of_a_single_leaf_work(read: Callable[..., TreeEnsemble]) -> None:
    columns, labels = make_rows()
    data = xgboost_matrix(np.zeros_like(columns), labels)
    booster = xgboost_booster(data)
    assert as_json(booster)["learner"]["gradient_booster"]["model"]["trees"][0]["parents"] == [
        2147483647
    ]
    assert_equal(decision(read(booster), columns), expected(booster, data))


@pytest.mark.parametrize("label", [0, 1])
def test_a_prior_of_zero_or_one_is_clipped_like_in_xgboost(
    label: int, read: Callable[..., TreeEnsemble]
) -> None:
    columns, _ = make_rows()
    data = xgboost_matrix(columns, np.full(ROWS, label))
    booster = xgboost_booster(data, rounds=1)
    assert_equal(decision(read(booster), columns), expected(booster, data))


def stopped(columns: Array, labels: Array) -> xgboost.XGBClassifier:
    classifier = xgboost.XGBClassifier(
        n_estimators=60, learning_rate=0.9, max_depth=3, early_stopping_rounds=3, n_jobs=1
    )
    classifier.fit(columns, labels, eval_set=[make_rows(seed=1)], verbose=False)
    assert classifier.best_iteration + 1 < classifier.get_booster().num_boosted_rounds()
    return classifier


def test_an_early_stopped_classifier_ends_at_its_best_iteration(
    tmp_path: Path,
) -> None:
    columns, labels = make_rows()
    classifier = stopped(columns, labels)
    classifier.save_model(tmp_path / "m.json")
    ours = decision(read_xgboost(tmp_path / "m.json", INPUTS, NAMES), columns)
    assert_equal(ours, classifier.predict(columns, output_margin=True))


def test_an_early_stopped_booster_has_all_its_trees(read: Callable[..., TreeEnsemble]) -> None:
    columns, labels = make_rows()
    booster = stopped(columns, labels).get_booster()
    assert_equal(decision(read(booster), columns), expected(booster, xgboost_matrix(columns)))


def test_features_are_found_by_name_in_any_order(read: Callable[..., TreeEnsemble]) -> None:
    columns, labels = make_rows()
    order = [4, 1, 6, 0, 3]  # not even all of them
    data = xgboost_matrix(
        columns[:, order], labels, (2, 4), [NAMES[position] for position in order]
    )
    booster = xgboost_booster(data)
    assert_equal(decision(read(booster), columns), expected(booster, data))


def test_default_names_match_columns_by_position(read: Callable[..., TreeEnsemble]) -> None:
    columns, labels = make_rows()
    data = xgboost_matrix(columns, labels, SETS, [f"f{position}" for position in range(7)])
    booster = xgboost_booster(data)
    assert_equal(decision(read(booster), columns), expected(booster, data))


def test_category_codes_of_a_data_frame_become_ids(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    ids = {3: [1, 2, 3], 5: list(range(0, 255, 2)), 6: [29, *range(3, 28)]}
    codes = coded(columns, ids)
    data = xgboost_matrix(codes, labels, SETS)
    booster = xgboost_booster(data)
    model = as_json(booster)
    model["learner"]["gradient_booster"]["model"]["cats"]["enc"] = [
        {"type": 13, "values": ids[column]} if column in ids else {"offsets": [], "values": []}
        for column in range(7)
    ]
    assert_equal(decision(read(model), columns), expected(booster, data))


def test_files_of_version_1_0_are_read(model: Model, read: Callable[..., TreeEnsemble]) -> None:
    columns, labels = make_rows()
    data = xgboost_matrix(columns, labels)
    booster = xgboost_booster(data, base_score=0.2)
    model = as_json(booster)
    learner = model["learner"]
    learner["learner_model_param"] = {"base_score": "2E-1", "num_class": "0", "num_feature": "7"}
    del learner["feature_names"], learner["feature_types"]
    trees = learner["gradient_booster"]["model"]
    del trees["cats"], trees["iteration_indptr"]
    for tree in trees["trees"]:
        tree["default_left"] = [bool(left) for left in tree["default_left"]]
        for key in ("split_type", *(key for key in tree if key.startswith("categories"))):
            del tree[key]
    assert_equal(decision(read(model), columns), expected(booster, data))


def test_the_error_for_an_unknown_feature_names_the_nearest_column(
    read: Callable[..., TreeEnsemble],
) -> None:
    names = [*NAMES[:6], "stat"]
    with pytest.raises(ModelFileError, match="'stat'; did you mean 'state'"):
        read(xgboost_booster(xgboost_matrix(*make_rows(), names=names), rounds=1))


def test_there_must_be_one_unnamed_feature_per_column(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    with pytest.raises(ModelFileError, match=r"got: 6 features\n.*expected: 7"):
        read(xgboost_booster(xgboost_matrix(columns[:, 1:], labels), rounds=1))
