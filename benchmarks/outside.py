"""Speed of scoring outside models from their raw columns, compared with the models' own libraries.

    python -m benchmarks.outside --rows 300000

The rows are generated: eight numbers, with missing values, and eight columns of text. Ours reads
them from Parquet, converts them to each model's inputs and scores them, as the stage `score` does
for one split; a library scores rows that are in memory already, in its own types. Seconds are wall
clock, the median of several rounds in turn.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import polars as pl
from rich.console import Console
from rich.table import Table
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.results import add_out, save
from emm.data.tables.raw import RawSplit
from emm.nn.inputs import Inputs
from emm.outside.open import open_model
from emm.outside.scorer import Context, OutsideScorer
from emm.outside.settings import OutsideModel
from emm.outside.typed import model_batches

_NUMBERS = [f"amount_{n}" for n in range(8)]
_TEXTS = [f"kind_{n}" for n in range(8)]
_COLUMNS = [*_NUMBERS, *_TEXTS]
_TRAINED_ON = 20_000  # rows
_VALUES = 40  # of each column of text

Work = Callable[[], Any]


@dataclass(frozen=True)
class Measured:
    """Median seconds for all rows, here and by the model's own library."""

    model: str
    rows: int
    emm: float
    library: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeats", type=int, default=3)
    add_out(parser)
    options = parser.parse_args()
    table = _table(options.rows)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        columns = {name: table[name].tolist() for name in _COLUMNS}
        pl.DataFrame(columns, nan_to_null=True).write_parquet(path)
        works = {
            name: (_ours(file, path), library)
            for name, (file, library) in _models(table, Path(folder)).items()
        }
        runs = [
            _measured(name, options.rows, *both, options.repeats) for name, both in works.items()
        ]
    Console().print(_shown(runs))
    save(options.out, "outside", {"runs": [asdict(run) for run in runs]})


def _table(rows: int) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    numbers = draw.gamma(2, 100, (rows, len(_NUMBERS))).round(1)
    numbers[draw.random(numbers.shape) < 0.05] = np.nan
    texts = draw.integers(0, _VALUES, (rows, len(_TEXTS)))
    table = pd.DataFrame(numbers, columns=_NUMBERS)
    names = np.array([f"value {n}" for n in range(_VALUES)], dtype=object)
    return table.assign(**{name: names[texts[:, n]] for n, name in enumerate(_TEXTS)})


def _models(table: pd.DataFrame, folder: Path) -> Mapping[str, tuple[Path, Work]]:
    """The file of each model, and what its own library does for all rows."""
    train = table.head(_TRAINED_ON)
    amounts = train[_NUMBERS].fillna(0).sum(axis=1)
    label = ((amounts > amounts.median()) ^ (train["kind_0"] < "value 2")).astype(int)
    return {
        "scikit-learn MLP": _sklearn(
            MLPClassifier((64, 32), max_iter=5, random_state=0), table, label, folder / "mlp.onnx"
        ),
        "scikit-learn random forest": _sklearn(
            RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=2),
            table,
            label,
            folder / "forest.onnx",
        ),
        "LightGBM, 200 trees": _lightgbm(table, label, folder / "lightgbm.txt"),
        "CatBoost, 200 trees": _catboost(table, label, folder / "catboost.cbm"),
    }


def _sklearn(model: Any, table: pd.DataFrame, label: pd.Series, path: Path) -> tuple[Path, Work]:
    encode = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), _NUMBERS),
            ("texts", OneHotEncoder(handle_unknown="ignore"), _TEXTS),
        ]
    )
    pipeline = make_pipeline(encode, model).fit(table.head(len(label)), label)
    kinds = {name: FloatTensorType if name in _NUMBERS else StringTensorType for name in _COLUMNS}
    inputs = [(name, kind([None, 1])) for name, kind in kinds.items()]
    exported = to_onnx(pipeline, initial_types=inputs, options={"zipmap": False})
    path.write_bytes(exported.SerializeToString())
    return path, lambda: pipeline.predict_proba(table)


def _lightgbm(table: pd.DataFrame, label: pd.Series, path: Path) -> tuple[Path, Work]:
    typed = table.astype(dict.fromkeys(_TEXTS, "category"))
    model = lightgbm.LGBMClassifier(n_estimators=200, n_jobs=2, verbose=-1)
    model.fit(typed.head(len(label)), label)
    model.booster_.save_model(str(path))
    return path, lambda: model.predict_proba(typed)


def _catboost(table: pd.DataFrame, label: pd.Series, path: Path) -> tuple[Path, Work]:
    model = catboost.CatBoostClassifier(
        iterations=200, thread_count=2, verbose=0, cat_features=_TEXTS, allow_writing_files=False
    )
    model.fit(table.head(len(label)), label)
    model.save_model(str(path))
    return path, lambda: model.predict_proba(table)


def _ours(file: Path, path: Path) -> Work:
    raw = {**dict.fromkeys(_NUMBERS, "number"), **dict.fromkeys(_TEXTS, "text")}
    context = Context("label", "binary", 1, Inputs(0, ()), (), raw)  # type: ignore[arg-type]
    entry = OutsideModel("label", model=str(file), columns="raw")
    scorer: OutsideScorer = open_model(file.stem, entry, context)
    names = {each.name: each.name for each in scorer.inputs}
    return lambda: scorer.predict(model_batches(RawSplit(path), scorer.inputs, names))


def _measured(name: str, rows: int, ours: Work, library: Work, repeats: int) -> Measured:
    rounds = [(_seconds(ours), _seconds(library)) for _ in range(repeats)]
    return Measured(name, rows, median(a for a, _ in rounds), median(b for _, b in rounds))


def _seconds(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _shown(runs: list[Measured]) -> Table:
    table = Table("model", "rows", "emm, s", "its library, s", "ratio")
    for run in runs:
        times = f"{run.emm:.1f}", f"{run.library:.1f}", f"{run.library / run.emm:.2f}"
        table.add_row(run.model, f"{run.rows:,}", *times)
    return table


if __name__ == "__main__":
    main()
