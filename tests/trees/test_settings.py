"""The section of boosted trees is read as the settings of the library that it names."""

from dataclasses import fields

import pytest

from emm.core.errors import ParamsError
from emm.trees.libraries import MODULES, library
from emm.trees.settings import (
    LIBRARIES,
    CatBoostSettings,
    LightGBMSettings,
    ScikitLearnSettings,
    read_boosting,
)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (None, LightGBMSettings()),
        ({}, LightGBMSettings()),
        ({"columns_per_tree": 0.5}, LightGBMSettings(columns_per_tree=0.5)),
        ({"library": "lightgbm", "patience": 3}, LightGBMSettings(patience=3)),
        ({"library": "scikit-learn"}, ScikitLearnSettings()),
        ({"library": "catboost", "depth": 4}, CatBoostSettings(depth=4)),
    ],
)
def test_a_section_has_the_keys_of_its_library(section: object, expected: object) -> None:
    assert read_boosting(section, "train.gbdt", "conf/shop/paper.yaml") == expected


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"library": "lightgm"}, "no library is called 'lightgm'; did you mean 'lightgbm'"),
        ({"library": "catboost", "max_leaf_nodes": 3}, "train.gbdt.max_leaf_nodes: unknown key"),
        ({"library": "scikit-learn", "rows_per_tree": 1}, "train.gbdt.rows_per_tree: unknown key"),
        ({"columns_per_tree": 0}, "train.gbdt.columns_per_tree: got 0, expected"),
        ({"rows_per_tree": 1.5}, "train.gbdt.rows_per_tree: got 1.5, expected"),
        ({"library": "catboost", "depth": 11}, "train.gbdt.depth: got 11, expected"),
        ([1], "train.gbdt: got"),
    ],
    ids=str,
)
def test_what_a_library_lacks_is_refused(section: object, message: str) -> None:
    with pytest.raises(ParamsError) as error:
        read_boosting(section, "train.gbdt", "conf/shop/paper.yaml")
    assert message in str(error.value)
    assert "conf/shop/paper.yaml" in str(error.value)


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_library_has_settings_and_a_module(name: str) -> None:
    assert set(MODULES) == set(LIBRARIES)
    assert {field.name: field.default for field in fields(LIBRARIES[name])}["library"] == name
    found = library(name)
    assert callable(found.boost)
    assert callable(found.regrow)
