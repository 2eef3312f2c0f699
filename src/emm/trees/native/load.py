"""Boosted trees that were trained with LightGBM or XGBoost, from their own files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from emm.core.errors import DataError, ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.lightgbm_trees import read_lightgbm
from emm.trees.native.xgboost_trees import read_xgboost

HEAD = 64  # bytes by which the format is recognised
EXPECTED = "a LightGBM text model or an XGBoost JSON model"

READERS: Mapping[str, Callable[[Path, Inputs, Sequence[str], int], TreeEnsemble]] = {
    "lightgbm": read_lightgbm,
    "xgboost": read_xgboost,
}


def load_native_trees(
    path: Path, inputs: Inputs, columns: Sequence[str], outputs: int = 1
) -> TreeEnsemble:
    """Read a LightGBM text model or XGBoost JSON model, recognised by its content.

    Nothing in the file is executed, and the library isn't needed.

    Args:
        columns: names of the D + F processed columns, dense ones first, as in training.
        outputs: number of classes of a task of classes, 1 for a binary task.

    Raises ModelFileError if the file is damaged or isn't such a classifier on these columns, and
    DataError if the number of ``columns`` doesn't match ``inputs`` or a name occurs twice.
    """
    expected = inputs.dense + len(inputs.cardinalities)
    if len(columns) != expected or len(set(columns)) != expected:
        raise DataError(
            "the names of the columns don't match the inputs",
            got=f"{len(columns)} names, {len(set(columns))} of them distinct",
            expected=f"{expected} distinct names",
            next_step="take the names and the inputs from the same schema.json",
        )
    return READERS[_format(path)](path, inputs, columns, outputs)


def _format(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise ModelFileError(
            f"the model file can't be read: {error.strerror}",
            where=path,
            expected=EXPECTED,
            next_step="check the path",
        ) from error
    if head.split(b"\n")[0].strip() == b"tree":
        return "lightgbm"
    if head.lstrip()[:1] == b"{" and head.lstrip()[1:].lstrip()[:1] in (b'"', b"}", b""):
        return "xgboost"
    raise ModelFileError(
        "the model file has an unknown format",
        where=path,
        got=_kind(head),
        expected=EXPECTED,
        next_step='save it with booster.save_model("m.txt") (LightGBM) or '
        'booster.save_model("m.json") (XGBoost)',
    )


def _kind(head: bytes) -> str:
    if head[:1] == b"{":
        return "XGBoost's binary UBJSON (.ubj), to be saved as .json"
    if head[:1] == b"\x80":
        return "a pickle, which could run code"
    return "neither LightGBM's text nor XGBoost's JSON" if head else "an empty file"
