from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from emm.core.errors import ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.lightgbm_trees import read_lightgbm
from tests.trees.native.foreign_trees import (
    BINARY,
    INPUTS,
    NAMES,
    QUIET,
    ROWS,
    SETS,
    Array,
    coded,
    decision,
    lightgbm_booster,
    make_rows,
)


def expected(booster: lightgbm.Booster, columns: Array) -> Array:
    return booster.predict(columns, raw_score=True, num_iteration=-1)


def assert_equal(ours: Array, theirs: Array) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., TreeEnsemble]:
    def read(
        model: lightgbm.Booster | str, inputs: Inputs = INPUTS, columns: Sequence[str] = NAMES
    ) -> TreeEnsemble:
        text = model if isinstance(model, str) else model.model_to_string(num_iteration=-1)
        (tmp_path / "m.txt").write_text(text, encoding="utf-8", newline="")
        return read_lightgbm(tmp_path / "m.txt", inputs, columns)

    return read


@pytest.fixture(scope="module")
def text() -> str:
    return lightgbm_booster(*make_rows(), SETS, rounds=3).model_to_string()


@pytest.mark.parametrize("sets", [(), [3], SETS], ids=["ordered", "one set", "sets"])
def test_equals_lightgbm_on_the_rows_it_was_trained_on(
    sets: Sequence[int], read: Callable[..., TreeEnsemble]
) -> None:
    columns, labels = make_rows()
    booster = lightgbm_booster(columns, labels, sets)
    assert_equal(decision(read(booster), columns), expected(booster, columns))


def test_sets_of_ids_of_a_large_field_send_each_id_where_lightgbm_does(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    booster = lightgbm_booster(columns, labels, (*SETS, 4), min_data_in_leaf=1)
    probes = np.repeat(columns[:1], INPUTS.cardinalities[1], axis=0)
    probes[:, 4] = np.arange(len(probes))
    assert_equal(decision(read(booster), probes), expected(booster, probes))


def test_ids_unseen_in_training_go_where_lightgbm_sends_them(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    known = (columns[:, 5] < 60) & (columns[:, 6] % 2 == 0)
    booster = lightgbm_booster(columns[known], labels[known], SETS, min_data_in_leaf=1)
    assert_equal(decision(read(booster), columns), expected(booster, columns))


def test_a_model_on_dense_columns_only_is_read(read: Callable[..., TreeEnsemble]) -> None:
    inputs = Inputs(dense=3, cardinalities=())
    columns, labels = make_rows()
    booster = lightgbm_booster(columns[:, :3], labels)
    ours = decision(read(booster, inputs, NAMES[:3]), columns[:, :3], inputs)
    assert_equal(ours, expected(booster, columns[:, :3]))


def test_values_at_a_threshold_go_to_the_same_side(
    read: Callable[..., TreeEnsemble],
) -> None:
    inputs = Inputs(dense=1, cardinalities=())
    values = np.random.default_rng(0).normal(size=(ROWS, 1)).astype(np.float32)
    booster = lightgbm_booster(values, (np.sin(4 * values[:, 0]) > 0).astype(np.uint8))
    edges = np.float32(read(booster, inputs, ("x",)).threshold.numpy())
    neighbours = [np.nextafter(edges, np.float32(side)) for side in (-9, 9)]
    columns = np.concatenate([edges, *neighbours])[:, None]
    ours = decision(read(booster, inputs, ("x",)), columns, inputs)
    assert_equal(ours, expected(booster, columns))


ABOUT_ZERO = np.float32([0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1.1e-35, -1.1e-35])
MISSING = {
    "NaN": {},
    "none": {"use_missing": False},
    "zero": {"zero_as_missing": True},
}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("seed", range(3))
def test_missing_values_and_zeros_go_where_lightgbm_sends_them(
    missing: str, seed: int, read: Callable[..., TreeEnsemble]
) -> None:
    columns, labels = make_rows(seed=seed)
    if missing == "none":
        columns = np.nan_to_num(columns)
    booster = lightgbm_booster(columns, labels, SETS, **MISSING[missing])
    probes = np.repeat(columns, 3, axis=0)
    random = np.random.default_rng(seed)
    probes[:, :3] = random.choice([*ABOUT_ZERO, np.nan, 0.3, -0.3], (len(probes), 3))
    assert_equal(decision(read(booster), probes), expected(booster, probes))


@pytest.mark.parametrize("threshold", [-1.0, -1e-36, 0.0, 1e-36, 1.0, 1e300, -1e300])
@pytest.mark.parametrize("kind", [0, 2, 4, 6, 8, 10])
def test_every_type_of_split_decides_like_lightgbm(
    kind: int, threshold: float, read: Callable[..., TreeEnsemble]
) -> None:
    inputs = Inputs(dense=1, cardinalities=())
    values = np.linspace(-3, 3, ROWS, dtype=np.float32)[:, None]
    text = lightgbm_booster(values, values[:, 0] > 0, rounds=1, num_leaves=2).model_to_string()
    old = next(line for line in text.split("\n") if line.startswith("threshold="))
    text = text.replace(old, f"threshold={threshold}")
    text = text.replace("decision_type=2", f"decision_type={kind}")
    sizes = next(line for line in text.split("\n") if line.startswith("tree_sizes="))
    length = len(text[text.index("Tree=0") : text.index("end of trees")])
    text = text.replace(sizes, f"tree_sizes={length}")
    probes = np.float32([*ABOUT_ZERO, np.nan, 2, -2])[:, None]
    ours = decision(read(text, inputs, ("x",)), probes, inputs)
    assert_equal(ours, expected(lightgbm.Booster(model_str=text), probes))


@pytest.mark.parametrize(
    "params",
    [
        {"sigmoid": 2.5},
        {"boosting": "dart", "drop_rate": 0.9, "skip_drop": 0.0},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5, "sigmoid": 0.5},
        {"scale_pos_weight": 3.0},
    ],
    ids=["sigmoid", "dart", "forest", "weighted"],
)
def test_the_logits_sigmoid_is_lightgbms_probability(
    params: dict[str, Any], read: Callable[..., TreeEnsemble]
) -> None:
    columns, labels = make_rows()
    booster = lightgbm_booster(columns, labels, SETS, **params)
    ours = 1 / (1 + np.exp(-decision(read(booster), columns)))
    assert_equal(ours, booster.predict(columns))


def test_trees_of_a_single_leaf_work(read: Callable[..., TreeEnsemble]) -> None:
    columns, labels = make_rows()
    booster = lightgbm_booster(np.zeros_like(columns), labels)
    assert "num_leaves=1\n" in booster.model_to_string()
    assert_equal(decision(read(booster), columns), expected(booster, columns))


def test_an_early_stopped_model_is_read_as_saved(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    data = lightgbm.Dataset(columns, labels, params=QUIET)
    held_out = data.create_valid(*make_rows(seed=1))
    stop = lightgbm.early_stopping(3, verbose=False)
    booster = lightgbm.train(
        BINARY,
        data,
        60,
        valid_sets=[held_out],
        callbacks=[stop],
        keep_training_booster=True,
    )
    assert booster.best_iteration < booster.current_iteration()
    ours = decision(read(booster.model_to_string()), columns)
    assert_equal(ours, booster.predict(columns, raw_score=True))


def test_features_are_found_by_name_in_any_order(read: Callable[..., TreeEnsemble]) -> None:
    columns, labels = make_rows()
    order = [4, 1, 6, 0, 3]  # not even all of them
    names = [NAMES[position].replace(" ", "_") for position in order]
    booster = lightgbm_booster(columns[:, order], labels, [2, 4], names)
    assert_equal(decision(read(booster), columns), expected(booster, columns[:, order]))


def test_columns_with_default_names_match_by_name(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    booster = lightgbm_booster(columns, labels)
    reversed_names = [f"Column_{position}" for position in reversed(range(7))]
    inputs = Inputs(dense=7, cardinalities=())
    ours = decision(read(booster, inputs, reversed_names), columns[:, ::-1].copy(), inputs)
    assert_equal(ours, expected(booster, columns))


def test_windows_line_endings_are_read(text: str, read: Callable[..., TreeEnsemble]) -> None:
    columns, _ = make_rows()
    ours = decision(read(text.replace("\n", "\r\n")), columns)
    assert_equal(ours, decision(read(text), columns))


def test_category_codes_of_a_data_frame_become_ids(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    ids = {3: [1, 2, 3], 5: list(range(0, 255, 2)), 6: [29, *range(3, 28)]}
    codes = coded(columns, ids)
    booster = lightgbm_booster(codes, labels, SETS)
    stored = f"pandas_categorical:{list(ids.values())}"
    text = booster.model_to_string().replace("pandas_categorical:null", stored)
    assert_equal(decision(read(text), columns), expected(booster, codes))


def test_the_error_for_an_unknown_feature_names_the_nearest_column(
    read: Callable[..., TreeEnsemble],
) -> None:
    names = ["age", "weeks_worked", "gains", "sex", "city", "job", "stat"]
    with pytest.raises(ModelFileError, match="'stat'; did you mean 'state'"):
        read(lightgbm_booster(*make_rows(), names=names, rounds=1))


def test_there_must_be_one_unnamed_feature_per_column(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, labels = make_rows()
    with pytest.raises(ModelFileError, match=r"got: 6 features\n.*expected: 7"):
        read(lightgbm_booster(columns[:, 1:], labels, rounds=1))
