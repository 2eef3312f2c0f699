"""The package catboost, which is imported when its models are trained or read."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from emm.core.errors import ParamsError


def catboost_package() -> Any:
    """The package. Raises ParamsError if it isn't installed."""
    try:
        return import_module("catboost")
    except ImportError as error:
        raise _absent(str(error)) from error


def require_catboost() -> None:
    """Raise ParamsError if the package isn't installed, without importing it."""
    if find_spec("catboost") is None:
        raise _absent("no such package")


def _absent(got: str) -> ParamsError:
    return ParamsError(
        "CatBoost models need the package catboost, which isn't installed",
        got=got,
        expected="the extra `catboost` of this project",
        next_step='pip install -e ".[catboost]"',
    )
