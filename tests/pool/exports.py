"""Models of each library on a few raw columns, to be exported as pool/README.md says."""

import re
import subprocess
import sys
from pathlib import Path

from tests.configuration import ROOT

README = ROOT / "pool" / "README.md"

TABLE = """\
import numpy as np
import pandas as pd

TEXT, NUMBERS = ["education"], ["age", "weeks_worked"]
GRADES = [f"grade {number}" for number in range(5)]


def table(count, seed):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "education": draw.choice(GRADES, count),
        "age": draw.integers(17, 90, count).astype(float),
        "weeks_worked": draw.integers(0, 53, count).astype(float),
    })
    likely = (frame.age > 40) * 1.5 + (frame.education == "grade 4") * 1.0 + frame.weeks_worked / 30
    return frame, (draw.random(count) < 1 / (1 + np.exp(2.5 - likely))).astype(int)


train, label = table(2000, 0)
rows, _ = table(200, 1)
"""
"""The prelude of every export: raw rows to learn on, and `rows` that the model hasn't seen."""

_MISSING = "rows.loc[::7, 'age'] = np.nan\ntrain.loc[::7, 'age'] = np.nan\n"

_CATEGORIES = (
    _MISSING
    + """\
grades = pd.CategoricalDtype(GRADES)
train, rows = train.astype({"education": grades}), rows.astype({"education": grades})
"""
)

_NUMBERS = "train, rows = train[NUMBERS], rows[NUMBERS]\n"

MODELS = {
    "scikit-learn": """\
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), TEXT), (StandardScaler(), NUMBERS)
)
model = make_pipeline(encode, LogisticRegression()).fit(train, label)
""",
    "LightGBM": _CATEGORIES
    + """\
from lightgbm import LGBMClassifier

model = LGBMClassifier(n_estimators=20, num_leaves=7, n_jobs=1, verbose=-1).fit(train, label)
""",
    "XGBoost": _CATEGORIES
    + """\
from xgboost import XGBClassifier

model = XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1, enable_categorical=True)
model.fit(train, label)
""",
    "CatBoost": _MISSING
    + """\
from catboost import CatBoostClassifier

model = CatBoostClassifier(
    iterations=20, depth=3, cat_features=TEXT, thread_count=1, verbose=0, allow_writing_files=False
).fit(train, label)
""",
    "Keras": _NUMBERS
    + """\
import keras

inputs = [keras.Input((1,), name=column) for column in train]
hidden = keras.layers.BatchNormalization()(keras.layers.Concatenate()(inputs))
hidden = keras.layers.Dense(8, activation="relu")(hidden)
hidden = keras.layers.Dense(8, activation="relu")(hidden)
model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
model.compile("adam", "binary_crossentropy")
model.fit({c: train[[c]].to_numpy("float32") for c in train}, label, epochs=1, verbose=0)
""",
    "PyTorch": _NUMBERS
    + """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.BatchNorm1d(2), nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)
)
model(torch.tensor(train.to_numpy("float32")))   # statistics of the batch norm
""",
}
"""By the heading of pool/README.md: the lines that train a `model` on the columns of `rows`."""


def block(heading: str) -> str:
    """The Python lines under a heading of pool/README.md."""
    text = README.read_text(encoding="utf-8")
    section = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    found = {part.splitlines()[0]: part for part in section}[heading]
    blocks = re.findall(r"^```python\n(.*?)^```", found, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def export(heading: str, folder: Path) -> Path:
    """Train a model and run the lines of the page in ``folder``; the exported file."""
    (folder / "pool").mkdir(exist_ok=True)
    script = folder / "export.py"
    script.write_text("\n".join([TABLE, MODELS[heading], block(heading)]), encoding="utf-8")
    environment = {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (file,) = (each for each in (folder / "pool").iterdir() if "reference" not in each.name)
    return file
