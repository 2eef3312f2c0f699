"""The package catboost, which is imported when its models are trained or read."""

from importlib import import_module
from typing import Any

from emm.core.errors import ParamsError


def catboost_package() -> Any:
    """The package. Raises ParamsError if it isn't installed."""
    try:
        return import_module("catboost")
    except ImportError as error:
        raise ParamsError(
            "CatBoost models need the package catboost, which isn't installed",
            got=str(error),
            expected="the extra `catboost` of this project",
            next_step='pip install -e ".[catboost]"',
        ) from error
