import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.core.errors import ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.xgboost_trees import read_xgboost
from tests.trees.native.foreign_trees import (
    INPUTS,
    NAMES,
    ROWS,
    SETS,
    decision,
    make_rows,
    xgboost_booster,
    xgboost_matrix,
)

Model = dict[str, Any]


def as_json(booster: xgboost.Booster) -> Model:
    return json.loads(booster.save_raw("json"))


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


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"objective": "reg:squarederror"}, "got: objective=reg:squarederror"),
        ({"objective": "multi:softprob", "num_class": 2}, "got: objective=multi:softprob"),
        ({"objective": "binary:hinge"}, "got: objective=binary:hinge"),
        ({"objective": "rank:pairwise"}, "got: objective=rank:pairwise"),
        ({"objective": "binary:logistic", "booster": "gblinear"}, "got: booster=gblinear"),
    ],
    ids=["regression", "multiclass", "hinge", "ranking", "linear"],
)
def test_other_models_are_refused(
    params: dict[str, Any], message: str, read: Callable[..., TreeEnsemble]
) -> None:
    data = xgboost_matrix(*make_rows())
    data.set_group([ROWS])
    with pytest.raises(ModelFileError, match=message):
        read(xgboost.train(params | {"nthread": 1}, data, 1))


def test_vector_leaves_are_refused(model: Model, read: Callable[..., TreeEnsemble]) -> None:
    first = model["learner"]["gradient_booster"]["model"]["trees"][0]
    first["tree_param"]["size_leaf_vector"] = "2"
    with pytest.raises(ModelFileError, match="got: size_leaf_vector=2"):
        read(model)


def test_a_split_of_a_dense_column_by_a_set_is_refused(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, _ = make_rows()
    columns = np.abs(np.nan_to_num(columns) * 7).round()
    labels = np.sin(7 * columns[:, 0]) > 0
    with pytest.raises(ModelFileError, match=r"got: a dense feature(.|\n)*columns: raw"):
        read(xgboost_booster(xgboost_matrix(columns, labels, (0,))))


def test_ids_missing_in_the_data_are_refused(text: str, read: Callable[..., TreeEnsemble]) -> None:
    inputs = Inputs(dense=3, cardinalities=(4, 300, 255, 10))
    with pytest.raises(ModelFileError, match=r"ids of 'state'(.|\n)*expected: ids 0 to 9"):
        read(text, inputs)


def test_text_categories_are_refused(model: Model, read: Callable[..., TreeEnsemble]) -> None:
    words = {"offsets": [0, 1, 2], "values": [97, 98]}
    model["learner"]["gradient_booster"]["model"]["cats"]["enc"] = [words] * 7
    with pytest.raises(ModelFileError, match="categories of 'age' that are not ids"):
        read(model)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_damaged(
    share: float, text: str, read: Callable[..., TreeEnsemble]
) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        read(text[: int(len(text) * share)])


def test_unclosed_brackets_are_damaged(read: Callable[..., TreeEnsemble]) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        read('{"learner":' + "[" * 100_000)


def put(key: str, position: int, value: Any) -> Callable[[Model, Model], None]:
    def change(learner: Model, tree: Model) -> None:
        tree[key][position] = value

    return change


def set_all(**values: Any) -> Callable[[Model, Model], None]:
    return lambda learner, tree: tree.update(values)


DAMAGES: dict[str, Callable[[Model, Model], None]] = {
    "a cycle": put("left_children", 1, 0),
    "its own child": put("left_children", 0, 0),
    "the same child twice": put("left_children", 0, 2),
    "two parents": put("left_children", 1, 2),
    "a child out of range": put("left_children", 0, 10**9),
    "a negative child": put("right_children", 0, -2),
    "more than 64 bits": put("left_children", 0, 10**30),
    "a fractional child": put("left_children", 0, 1.5),
    "text as a child": put("left_children", 0, "1"),
    "too few children": lambda _, tree: tree["right_children"].pop(),
    "no nodes": set_all(left_children=[], right_children=[]),
    "nested children": set_all(left_children=[[1], [2, 3]]),
    "children of another type": set_all(left_children="os.system"),
    "too many nodes": set_all(tree_param={"num_nodes": "999999999999"}),
    "NaN in a leaf": put("split_conditions", -1, float("nan")),
    "infinity in a leaf": put("split_conditions", -1, 1e99),
    "a feature out of range": put("split_indices", 0, 7),
    "a negative feature": put("split_indices", 0, -1),
    "a set out of range": put("categories_sizes", 0, 10**9),
    "a set with a negative start": put("categories_segments", 0, -1),
    "a set of a negative node": put("categories_nodes", 0, -1),
    "too many trees": lambda learner, _: learner["gradient_booster"]["model"][
        "gbtree_model_param"
    ].update(num_trees="999999999999"),
    "no trees": lambda learner, _: learner["gradient_booster"]["model"].update(trees=[]),
    "trees of another type": lambda learner, _: learner["gradient_booster"]["model"].update(
        trees=[1, 2, 3]
    ),
    "a score of another type": lambda learner, _: learner["learner_model_param"].update(
        base_score="__import__('os')"
    ),
    "a score above 1": lambda learner, _: learner["learner_model_param"].update(base_score="2"),
    "no score": lambda learner, _: learner["learner_model_param"].pop("base_score"),
    "duplicate feature names": lambda learner, _: learner.update(feature_names=["age"] * 7),
    "too few names": lambda learner, _: learner.update(feature_names=["age"]),
    "names of another type": lambda learner, _: learner.update(feature_names=[1] * 7),
    "no objective": lambda learner, _: learner.pop("objective"),
    "too few categories": lambda learner, _: learner["gradient_booster"]["model"]["cats"].update(
        enc=[{}]
    ),
    "categories of another type": lambda learner, _: learner["gradient_booster"]["model"][
        "cats"
    ].update(enc=1),
    "names that are a number": lambda learner, _: learner.update(feature_names=1),
    "attributes of another type": lambda learner, _: learner.update(attributes=[]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_contradicts_itself_is_damaged(
    damage: str, model: Model, read: Callable[..., TreeEnsemble]
) -> None:
    learner = model["learner"]
    DAMAGES[damage](learner, learner["gradient_booster"]["model"]["trees"][0])
    with pytest.raises(ModelFileError, match="damaged"):
        read(model)


@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_change_of_a_file_leads_to_numbers_or_to_a_model_file_error(
    data: st.DataObject, text: str, read: Callable[..., TreeEnsemble]
) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    characters = st.sampled_from(["", "1", "-", "9999999", "0", "null", "[]", "1e9", '""', "5,"])
    changed = text[:place] + data.draw(characters) + text[place + data.draw(st.integers(0, 2)) :]
    try:
        ensemble = read(changed)
    except ModelFileError:
        return
    assert decision(ensemble, make_rows()[0][:5]).shape == (5,)
