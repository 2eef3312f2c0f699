"""CatBoost models, ``.cbm`` and JSON, scored by the package catboost.

Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.core.errors import DataError, ModelFileError
from emm.data.tables.kinds import NUMBER, TEXT
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.outside.evidence import Traits, decide
from emm.outside.scorer import Batches, Context, ModelInput, Opaque
from emm.outside.settings import Gives, OutsideModel
from emm.trees.catboost_package import catboost_package
from emm.trees.native.files import LARGEST_FILE, damaged, unsupported
from emm.trees.native.nodes import Feature

THREADS = 2
LOSSES: Mapping[str, Sequence[str]] = {
    BINARY: ("Logloss", "CrossEntropy"),
    CLASSES: ("MultiClass",),
    REGRESSION: ("RMSE", "MAE", "Quantile", "MAPE", "Huber", "Expectile", "LogCosh", "Lq"),
}
"""Loss functions of each kind of task whose raw output is the logit, or the value."""

JOIN = Opaque("the package catboost scores it")


@dataclass(frozen=True)
class CatBoostScorer:
    """A CatBoost model, as an `OutsideScorer`.

    ``order``: of its classes, the place of each of the task's; () for one output.
    """

    file: Path
    model: Any
    inputs: Sequence[ModelInput]
    columns: Literal["raw", "encoded"]
    gives: Gives
    said: Sequence[str]
    order: Sequence[int] = ()
    kind: str = "catboost"
    join: Opaque = JOIN

    def predict(self, batches: Batches) -> NDArray[np.float64]:
        """The logits, or values, [N, outputs] of batches whose columns are ``inputs``."""
        outputs = len(self.order) or 1
        found = [self._raw_output(batch).reshape(len(batch), outputs) for batch in batches]
        logits = np.concatenate([np.zeros((0, outputs)), *found])
        return logits[:, list(self.order)] if self.order else logits

    def _raw_output(self, batch: pl.DataFrame) -> NDArray[np.float64]:
        pandas = import_module("pandas")
        kinds = {each.name: each.kind for each in self.inputs}
        columns = {
            column.name: self._categories(column, pandas)
            if kinds[column.name] == TEXT
            else column.cast(pl.Float32).fill_null(float("nan")).to_numpy()
            for column in batch.get_columns()
        }
        table = pandas.DataFrame(columns)
        # The file's own names may differ from those of the inputs.
        table.columns = self.model.feature_names_
        try:
            found = self.model.predict(table, prediction_type="RawFormulaVal", thread_count=THREADS)
        except Exception as error:  # CatBoostError is known only where the package is
            raise ModelFileError(
                f"catboost can't score the model: {error}", where=self.file
            ) from error
        return np.asarray(found, dtype=np.float64)

    def _categories(self, column: pl.Series, pandas: Any) -> Any:
        if column.null_count():
            raise DataError(
                f"the model reads {column.name!r} as a category, and CatBoost knows no missing "
                "ones",
                where=self.file,
                got=f"{column.null_count():,} of {len(column):,} rows without a value",
                expected="text in every row",
                next_step="say what stood for a missing value in training, such as columns: "
                f"{{{column.name}: \"COALESCE({column.name}, 'nan')\"}}",
            )
        values = column.unique(maintain_order=True)
        codes = column.replace_strict(values, np.arange(len(values)), return_dtype=pl.Int32)
        return pandas.Categorical.from_codes(codes.to_numpy(), categories=values.to_list())


def open_model(name: str, entry: OutsideModel, context: Context) -> CatBoostScorer:
    """Read the model of an entry's file.

    Raises ParamsError if the package catboost isn't installed, and ModelFileError if the file is
    damaged or its model predicts something else than the task.
    """
    file = Path(entry.model or "")
    model = _load(file)
    loss = _loss(file, model)
    if loss not in LOSSES[context.kind]:
        raise unsupported(
            file,
            f"predicts something else than the task {context.task}, {_task(context)}",
            got=f"loss_function={loss}",
            expected=" or ".join(LOSSES[context.kind]),
            next_step="name a task of the model's kind, or train it with such a loss function",
        )
    columns, _ = decide(
        _traits(file, model), replace(entry, columns=entry.columns or "raw"), context
    )
    inputs = _inputs(file, model, entry, context.raw if columns == "raw" else context.encoded)
    order, said = _classes(file, model, context)
    gives: Gives = "value" if context.kind == REGRESSION else "logit"
    return CatBoostScorer(file, model, inputs, columns, gives, said, order)


def _load(file: Path) -> Any:
    catboost = catboost_package()
    if file.stat().st_size > LARGEST_FILE:
        raise unsupported(
            file,
            "is too large",
            got=f"{file.stat().st_size} bytes",
            expected=f"at most {LARGEST_FILE}",
            next_step="save a model with fewer trees",
        )
    with file.open("rb") as start:
        kind = "cbm" if start.read(4) == b"CBM1" else "json"
    model = catboost.CatBoost()
    try:
        if kind == "json":
            json.loads(file.read_bytes())  # catboost reads what it can of a file that is cut off
        model.load_model(str(file), format=kind)
    except Exception as error:  # CatBoostError among others
        raise damaged(file, f"catboost can't read it: {error}") from error
    if not model.tree_count_:
        raise damaged(file, "catboost can't read any tree in it")
    return model


def _loss(file: Path, model: Any) -> str:
    """The name of the model's loss function, without its options."""
    try:
        loss = model.get_all_params()["loss_function"]
    except Exception as error:  # models of old versions, and sums of models, have no parameters
        raise unsupported(
            file,
            "doesn't say with which loss function it was trained",
            got="no parameters in the file",
            expected="a model as CatBoost saves it after training",
            next_step="save it with model.save_model, or export it to ONNX",
        ) from error
    return str(loss).partition(":")[0]


def _traits(file: Path, model: Any) -> Traits:
    """What the borders of its numbers show of the columns that it was trained on."""
    borders = model.get_borders()
    spans = {int(number): found for number, found in borders.items() if len(found)}
    features = [
        Feature(name, None, min(spans[number]), max(spans[number]))
        if number in spans
        else Feature(name)
        for number, name in enumerate(map(str, model.feature_names_))
    ]
    return Traits(file, features, model.get_cat_feature_indices(), [*spans])


def _inputs(
    file: Path, model: Any, entry: OutsideModel, known: Sequence[str] | Mapping[str, Any]
) -> list[ModelInput]:
    if model.get_text_feature_indices() or model.get_embedding_feature_indices():
        raise unsupported(
            file,
            "reads text as words, or embeddings",
            got="text_features or embedding_features",
            expected="numbers and cat_features",
            next_step="train it without them",
        )
    names = list(map(str, model.feature_names_))
    for name in names:
        if name.isdigit() and name not in known and name not in entry.expressions:
            raise unsupported(
                file,
                "has features without names",
                got=f"{name!r}, which no column is called",
                expected="a column for each feature",
                next_step=f'write columns: {{"{name}": the name of its column, ...}}, or train '
                "on a data frame",
            )
    categories = set(model.get_cat_feature_indices())
    return [
        ModelInput(name, TEXT if number in categories else NUMBER)
        for number, name in enumerate(names)
    ]


def _classes(file: Path, model: Any, context: Context) -> tuple[list[int], list[str]]:
    """The place of each of the task's classes among the model's, and what is to be said of them."""
    classes = [str(each) for each in model.classes_]
    if context.kind == BINARY:
        return [], [f"its logit is that of the class {classes[1]!r}"] if len(classes) == 2 else []
    if context.kind == REGRESSION:
        return [], []
    for names in (context.classes, [str(number) for number in range(context.outputs)]):
        if sorted(names) == sorted(classes):
            return [classes.index(name) for name in names], []
    raise unsupported(
        file,
        f"has other classes than the task {context.task}",
        got=", ".join(classes),
        expected=", ".join(context.classes),
        next_step="train it on these classes, or on their numbers",
    )


def _task(context: Context) -> str:
    return {
        BINARY: "which has two classes",
        CLASSES: f"which has {context.outputs} classes",
        REGRESSION: "which is a number",
    }[context.kind]
