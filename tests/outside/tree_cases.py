"""What the matrices of boosted trees share: training data, and the comparison on hard rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.outside.scorer import Opaque
from emm.outside.trees import RawScorer
from tests.outside.raw_scoring import context_of_table, opened, scored
from tests.outside.tree_tables import CATEGORIES, NUMBERS, hard_table, label_of, raw_table

Array = np.ndarray
QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 0}
LIGHTGBM = {**QUIET, "objective": "binary", "num_leaves": 15, "min_data_in_leaf": 5}
SETS = {"min_data_per_group": 2, "cat_smooth": 1, "max_cat_threshold": 60}
XGBOOST = {"objective": "binary:logistic", "max_depth": 5, "nthread": 1, "eta": 0.4, "seed": 0}

TRAIN = raw_table()
SCORE = label_of(TRAIN)
LABEL = (np.median(SCORE) < SCORE).astype(int)
CLASSES = np.digitize(SCORE, np.quantile(SCORE, [0.3, 0.7]))
LISTS = {name: TRAIN[name].drop_nulls().unique().sort().to_list() for name in CATEGORIES}
OWN: dict[str, list[Any]] = {name: [] for name in CATEGORIES}
"""Each table has the categories that occur in it; LightGBM finds their codes by its file's list."""
ALL = (*NUMBERS, *CATEGORIES)


def thresholds(scorer: Any) -> Array:
    """Up to 50 thresholds of the trees."""
    if not isinstance(scorer, RawScorer):
        return np.zeros(0)
    found = np.unique(
        np.concatenate([each.threshold[~each.leaf] for each in scorer.trees.native.trees])
    )
    return found[np.isfinite(found)][:: max(1, len(found) // 50)]


def check(path: Path, expected: Callable[[pl.DataFrame], Array], **context: Any) -> None:
    """Compare logits, or values, for 5,000 hard rows with ``expected``."""
    scorer = opened(path, context_of_table(TRAIN, **context), columns="raw")
    assert isinstance(scorer.join, Opaque)
    rows = hard_table(thresholds(scorer))
    theirs = np.asarray(expected(rows), dtype=np.float64).reshape(len(rows), -1)
    np.testing.assert_allclose(scored(scorer, rows), theirs, rtol=1e-6, atol=5e-6)
