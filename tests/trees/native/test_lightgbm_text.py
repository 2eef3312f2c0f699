from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.core.errors import ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.lightgbm_trees import read_lightgbm
from tests.trees.native.foreign_trees import (
    INPUTS,
    NAMES,
    SETS,
    decision,
    lightgbm_booster,
    make_rows,
)


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


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "regression": ({"objective": "regression"}, "got: objective=regression"),
    "multiclass": ({"objective": "multiclass", "num_class": 2}, "got: objective=multiclass"),
    "one versus all": ({"objective": "multiclassova", "num_class": 2}, "objective=multiclassova"),
    "linear": ({"linear_tree": True}, "linear_tree=true"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_models_are_refused(case: str, read: Callable[..., TreeEnsemble]) -> None:
    params, message = REFUSED[case]
    columns, labels = make_rows()
    booster = lightgbm_booster(np.nan_to_num(columns), labels, rounds=2, **params)
    with pytest.raises(ModelFileError, match=message):
        read(booster)


def test_a_custom_objective_is_refused(text: str, read: Callable[..., TreeEnsemble]) -> None:
    with pytest.raises(ModelFileError, match="got: objective=none"):
        read(text.replace("objective=binary sigmoid:1\n", "", 1))


def test_a_split_of_a_dense_column_by_a_set_is_refused(
    read: Callable[..., TreeEnsemble],
) -> None:
    columns, _ = make_rows()
    columns = np.abs(np.nan_to_num(columns) * 7).round()
    labels = np.sin(7 * columns[:, 0]) > 0
    with pytest.raises(ModelFileError, match=r"got: a dense feature(.|\n)*columns: raw"):
        read(lightgbm_booster(columns, labels, [0]))


def test_ids_missing_in_the_data_are_refused(text: str, read: Callable[..., TreeEnsemble]) -> None:
    inputs = Inputs(dense=3, cardinalities=(4, 300, 255, 10))
    with pytest.raises(ModelFileError, match=r"ids of 'state'(.|\n)*expected: ids 0 to 9"):
        read(text, inputs)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_damaged(
    share: float, text: str, read: Callable[..., TreeEnsemble]
) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        read(text[: int(len(text) * share)])


def line(text: str, key: str) -> str:
    return next(line for line in text.split("\n") if line.startswith(f"{key}="))


DAMAGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "a cycle": ("left_child", lambda old: "left_child=0" + old[old.index(" ") :]),
    "two parents": ("right_child", lambda old: old.replace("right_child", "left_child")),
    "a child out of range": ("left_child", lambda old: "left_child=14" + old[old.index(" ") :]),
    "a leaf out of range": ("left_child", lambda old: "left_child=-16" + old[old.index(" ") :]),
    "too many leaves": ("num_leaves", lambda old: "num_leaves=999999999999"),
    "more than 64 bits": ("num_leaves", lambda old: f"num_leaves={10**30}"),
    "no leaves": ("num_leaves", lambda old: "num_leaves=0"),
    "too few values": ("leaf_value", lambda old: old.rpartition(" ")[0]),
    "not a number": ("leaf_value", lambda old: old.rpartition(" ")[0] + " __import__"),
    "NaN in a leaf": ("leaf_value", lambda old: old.rpartition(" ")[0] + " nan"),
    "NaN as threshold": ("threshold", lambda old: old.rpartition(" ")[0] + " nan"),
    "a feature out of range": ("split_feature", lambda old: old.rpartition(" ")[0] + " 7"),
    "a negative feature": ("split_feature", lambda old: old.rpartition(" ")[0] + " -1"),
    "a missing type of 3": ("decision_type", lambda old: old.rpartition(" ")[0] + " 12"),
    "too many sets": ("num_cat", lambda old: "num_cat=999999999999"),
    "descending boundaries": ("cat_boundaries", lambda old: old.replace("=0 ", "=9 ", 1)),
    "words of 33 bits": ("cat_threshold", lambda old: old.rpartition(" ")[0] + f" {2**32}"),
    "too few trees": ("tree_sizes", lambda old: old + " 100"),
    "sigmoid of 0": ("objective", lambda old: "objective=binary sigmoid:0"),
    "duplicate feature names": ("feature_names", lambda old: "feature_names=age age"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_contradicts_itself_is_damaged(
    damage: str, text: str, read: Callable[..., TreeEnsemble]
) -> None:
    key, change = DAMAGES[damage]
    old = line(text, key)
    with pytest.raises(ModelFileError, match="damaged"):
        read(text.replace(old, change(old), 1))


@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_change_of_a_file_leads_to_numbers_or_to_a_model_file_error(
    data: st.DataObject, text: str, read: Callable[..., TreeEnsemble]
) -> None:
    place = data.draw(st.integers(0, text.index("end of trees") - 1))
    characters = st.text("0123456789-.e= \ninfax", max_size=3)
    changed = text[:place] + data.draw(characters) + text[place + data.draw(st.integers(0, 9)) :]
    try:
        ensemble = read(changed)
    except ModelFileError:
        return
    assert decision(ensemble, make_rows()[0][:5]).shape == (5,)
