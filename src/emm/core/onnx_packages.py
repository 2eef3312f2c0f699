"""The onnx and onnxruntime packages, imported only where an ONNX model is read or scored."""

from importlib import import_module
from typing import Any

from emm.core.errors import ParamsError


def onnx_library() -> Any:
    """The package that parses ONNX files. Raises ParamsError if it isn't installed."""
    return _load("onnx")


def inline_functions(model: Any) -> Any:
    """A ModelProto with the functions of its own in place of their calls."""
    return _load("onnx.inliner").inline_local_functions(model)


def onnxruntime_library() -> Any:
    """The package that runs ONNX models. Raises ParamsError if it isn't installed."""
    return _load("onnxruntime")


def _load(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ParamsError(
            f"ONNX models need the package {name}, which isn't installed",
            got=str(error),
            expected="the extra `onnx` of this project",
            next_step='pip install -e ".[onnx]"',
        ) from error
