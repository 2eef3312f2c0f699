"""CatBoost is optional: without it, errors say how to install it."""

import sys

import pytest

from emm.core.errors import ParamsError
from emm.trees.catboost_package import catboost_package, require_catboost

INSTALL = r'pip install -e "\.\[catboost\]"'


def test_the_package_is_imported_when_it_is_asked_for() -> None:
    require_catboost()
    assert catboost_package().__name__ == "catboost"


def test_without_it_the_errors_name_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "catboost", None)
    with pytest.raises(ParamsError, match=INSTALL):
        require_catboost()
    with pytest.raises(ParamsError, match=INSTALL):
        catboost_package()
