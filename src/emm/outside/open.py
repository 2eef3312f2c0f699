"""Opening of an outside model: its kind, by its content, and the reader of each kind."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from emm.data.tables.kinds import RawKind
from emm.data.tables.schema import REGRESSION, Schema
from emm.outside.scorer import Context, CutNetwork, Opaque, OutsideScorer, Torch
from emm.outside.settings import OutsideModel
from emm.training.store import inputs_of
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


def context_of(schema: Schema, task: str, raw: Mapping[str, RawKind]) -> Context:
    """What a model of ``task`` is opened with; ``raw``: kinds of the raw columns, by name."""
    return Context(
        task=task,
        kind=schema.kind(task),
        outputs=len(schema.classes.get(task, ("",))),
        inputs=inputs_of(schema),
        encoded=(*schema.dense_names, *schema.sparse_names),
        raw=raw,
        target=schema.targets.get(task),
        classes=schema.classes.get(task, ()),
        dense=schema.dense,
    )


def open_model(name: str, entry: OutsideModel, context: Context) -> OutsideScorer:
    """Open the model of an entry. Raises ModelFileError and ParamsError."""
    module, _, function = READERS[kind_of(entry)].partition(":")
    reader: Open = getattr(import_module(module), function)
    return reader(name, entry, context)


def join_of(model: OutsideScorer, context: Context) -> Opaque | CutNetwork | Torch:
    """How a model joins the pool: a regression's layers don't give standardised values."""
    join = model.join
    if context.kind == REGRESSION and not isinstance(join, Opaque | Torch):
        return Opaque("it gives values in the task's own units, fused models standardised ones")
    return join
