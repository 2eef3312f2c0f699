"""Trees boosted by other libraries, and their predictions."""

from pathlib import Path

import lightgbm
import numpy as np
import xgboost

from tests.fusion.fused import rows

COLUMNS = ["age", "gains", "weeks", "sex", "job", "state"]


def boosted_table() -> tuple[np.ndarray, np.ndarray]:
    """Columns [N, D + F] of INPUTS, and labels."""
    dense, sparse = (column.numpy() for column in rows(200))
    columns = np.concatenate([dense, sparse.astype(np.float32)], axis=1)
    return columns, (columns[:, 0] * columns[:, 5] > 0.3).astype(np.uint8)


def save_native(folder: Path, library: str, classes: int = 1) -> Path:
    """Save three rounds of trees in the format of their library; ``classes``: of a task of classes,
    1 for a binary task."""
    columns, labels = boosted_table()
    count = {}
    if classes > 1:
        labels, count = np.arange(len(labels)) % classes, {"num_class": classes}
    if library == "lightgbm":
        objective = "multiclass" if count else "binary"
        quiet = {"objective": objective, "verbosity": -1, "num_threads": 1, **count}
        data = lightgbm.Dataset(columns, labels, feature_name=COLUMNS, params=quiet)
        lightgbm.train(quiet, data, 3).save_model(folder / "model.txt")
        return folder / "model.txt"
    data = xgboost.DMatrix(columns, labels, feature_names=COLUMNS, nthread=1)
    objective = "multi:softprob" if count else "binary:logistic"
    booster = xgboost.train({"objective": objective, "nthread": 1, **count}, data, 3)
    booster.save_model(folder / "model.json")
    return folder / "model.json"


def predictions(path: Path) -> np.ndarray:
    """The library's own logits of `boosted_table`."""
    columns, _ = boosted_table()
    if path.suffix == ".txt":
        return lightgbm.Booster(model_file=path).predict(columns, raw_score=True)
    data = xgboost.DMatrix(columns, feature_names=COLUMNS, nthread=1)
    return xgboost.Booster(model_file=path).predict(data, output_margin=True)
