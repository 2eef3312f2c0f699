"""Boosted trees that were trained with LightGBM or XGBoost, from their own files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from emm.core.errors import DataError, ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.files import Kind
from emm.trees.native.formats import recognise
from emm.trees.native.lightgbm_trees import parse_lightgbm
from emm.trees.native.nodes import NativeTrees
from emm.trees.native.processed import on_processed_columns
from emm.trees.native.xgboost_trees import parse_xgboost

PARSERS: Mapping[str, Callable[[Path, int, Kind], NativeTrees]] = {
    "lightgbm": parse_lightgbm,
    "xgboost": parse_xgboost,
}


def load_native_trees(
    path: Path, inputs: Inputs, columns: Sequence[str], outputs: int = 1
) -> TreeEnsemble:
    """Read a LightGBM or XGBoost model that was trained on the processed columns.

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
    native = parse_native_trees(path, outputs)
    return on_processed_columns(native, inputs, columns, native.names_of(columns))


def parse_native_trees(path: Path, outputs: int = 1, kind: Kind = "classifier") -> NativeTrees:
    """The trees of a LightGBM or XGBoost model, recognised by its content, on its own features.

    Raises ModelFileError if the file is of another format, damaged, or a model of another kind.
    """
    parser = PARSERS.get(recognise(path) or "")
    if parser is None:
        raise ModelFileError(
            "the model file has an unknown format",
            where=path,
            got="neither LightGBM's text nor XGBoost's JSON or UBJSON"
            if path.stat().st_size
            else "an empty file",
            expected="a LightGBM text model, or an XGBoost JSON or UBJSON model",
            next_step='save it with booster.save_model("m.txt") (LightGBM) or '
            'booster.save_model("m.json") (XGBoost)',
        )
    return parser(path, outputs, kind)
