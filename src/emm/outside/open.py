"""Opening of an outside model: its kind, by its content, and the reader of each kind."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from emm.outside.scorer import Context, OutsideScorer
from emm.outside.settings import OutsideModel
from emm.trees.native.formats import recognise

NETWORK, ONNX = "network", "onnx"

Open = Callable[[str, OutsideModel, Context], OutsideScorer]

READERS: Mapping[str, str] = {
    ONNX: "emm.outside.onnx:open_model",
    "lightgbm": "emm.outside.trees:open_model",
    "xgboost": "emm.outside.trees:open_model",
    "catboost": "emm.outside.catboost:open_model",
    NETWORK: "emm.outside.network:open_model",
}
"""The function ``open_model(name, entry, context)`` of each kind of model."""


def kind_of(entry: OutsideModel) -> str:
    """The kind of a model: a key of READERS. Raises ModelFileError for files that are refused."""
    if entry.model is None:
        return NETWORK
    return recognise(Path(entry.model)) or ONNX


def open_model(name: str, entry: OutsideModel, context: Context) -> OutsideScorer:
    """Open the model of an entry. Raises ModelFileError and ParamsError."""
    module, _, function = READERS[kind_of(entry)].partition(":")
    reader: Open = getattr(import_module(module), function)
    return reader(name, entry, context)
