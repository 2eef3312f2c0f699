"""Tasks whose label the features determine together, though no single column shows it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.prepare.checks.table import feature, features_of, label
from emm.data.tables.names import original_name
from emm.data.tables.schema import REGRESSION, Schema

LIMIT = 0.999
"""A higher AUC is rarely honest."""

_ROWS = 20_000
_FEWEST_ROWS = 2_000
_VALUES = 2_000_000  # rows are fewer where there are many columns
_FEWEST_OF_CLASS = 50
_CATEGORIES = 255  # the most that scikit-learn's trees tell apart; more ids are taken as numbers
_COLUMNS = 3  # named in a warning
_LEAST_DROP = 0.001


class Together(NamedTuple):
    """AUC of all features together, and the columns that it drops most without."""

    auc: float
    columns: tuple[str, ...]


def columns_together(
    train: pl.LazyFrame, schema: Schema, single: Mapping[str, Mapping[str, float]]
) -> dict[str, Together]:
    """Fit a few trees per task on a sample of train and rank the sample's other half by them.

    Tasks with too few rows of a class, and those that a single column determines, are left out;
    ``single``: the AUCs of single columns. A sample has as many rows of every class as there are,
    up to an equal share. For a regression, labels above the mean of train are positive. ``train``
    has own names.
    """
    found = {}
    for number, task in enumerate(schema.tasks):
        if max(single[task].values(), default=1.0) > LIMIT:
            continue
        labels = train.select(_classes(schema, task, number)).collect().to_series()
        rows = _sample(labels, len(features_of(schema)))
        if len(rows):
            found[task] = _together(*_halves(train, labels, rows, schema), schema)
    return found


def determined(together: Mapping[str, Together]) -> list[str]:
    """Warnings: tasks that are determined, and by which columns."""
    return [
        f"the features together rank {task!r} with an AUC above {LIMIT}, though no single column "
        f"does: {_leaning(found.columns)}"
        for task, found in together.items()
        if found.auc > LIMIT
    ]


def _leaning(columns: tuple[str, ...]) -> str:
    if not columns:
        return "several columns can replace each other; are some known only with the label?"
    names = ", ".join(map(repr, columns))
    return f"mostly by {names}; are they known before the label is?"


def _classes(schema: Schema, task: str, number: int) -> pl.Expr:
    value = pl.col(label(number))
    return (value > 0).cast(pl.UInt16) if schema.kind(task) == REGRESSION else value.cast(pl.UInt16)


def _sample(labels: pl.Series, columns: int) -> NDArray[np.int64]:
    """Row numbers [S], ascending, of equally many rows of each class; none with one class."""
    generator = np.random.default_rng(0)
    values = labels.to_numpy()
    counts = labels.drop_nulls().value_counts(name="rows")
    enough = counts.filter(pl.col("rows") >= _FEWEST_OF_CLASS)[labels.name].sort().to_list()
    if len(enough) < 2:
        return np.empty(0, np.int64)
    rows = max(_FEWEST_ROWS, min(_ROWS, _VALUES // max(1, columns)))
    chosen = []
    for each in enough:
        own = np.flatnonzero(values == each)
        chosen.append(generator.permutation(own)[: max(_FEWEST_OF_CLASS, rows // len(enough))])
    return np.sort(np.concatenate(chosen))


Half = tuple[NDArray[Any], NDArray[Any]]
"""Features [S, F] and classes [S]."""


def _halves(
    train: pl.LazyFrame, labels: pl.Series, rows: NDArray[np.int64], schema: Schema
) -> tuple[Half, Half]:
    """Two halves of the sample, each with half of every class's rows."""
    mask = np.zeros(len(labels), bool)
    mask[rows] = True
    names = [feature(number) for number in range(len(features_of(schema)))]
    sampled = train.select(names).filter(pl.Series(mask)).collect(engine="streaming")
    features, classes = sampled.to_numpy().astype(np.float32), labels.to_numpy()[rows]
    order = np.argsort(classes, kind="stable")
    first, second = np.sort(order[::2]), np.sort(order[1::2])
    return (features[first], classes[first]), (features[second], classes[second])


def _together(learned: Half, held: Half, schema: Schema) -> Together:
    # Imported here: scikit-learn takes a second to load, which no other stage should wait for.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import get_scorer
    from threadpoolctl import threadpool_limits

    few = [column.cardinality <= _CATEGORIES for column in schema.sparse]
    trees = HistGradientBoostingClassifier(
        learning_rate=0.3,
        max_iter=30,
        early_stopping=False,
        categorical_features=[False] * len(schema.dense) + few,
        random_state=0,
    )
    # Threads cost more than they save on a sample of this size.
    with threadpool_limits(1, user_api="openmp"):
        trees.fit(*learned)
        scoring = "roc_auc" if len(trees.classes_) == 2 else "roc_auc_ovr"
        auc = float(get_scorer(scoring)(trees, *held))
        if auc <= LIMIT:
            return Together(auc, ())
        drops = permutation_importance(
            trees, *held, scoring=scoring, n_repeats=1, random_state=0
        ).importances_mean
    names = features_of(schema)
    leading = [i for i in np.argsort(-drops, kind="stable")[:_COLUMNS] if drops[i] > _LEAST_DROP]
    return Together(auc, tuple(original_name(names[i]) for i in leading))
