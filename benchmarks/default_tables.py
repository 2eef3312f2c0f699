"""The tables of `benchmarks/default_recipe.py`: published and generated, read and preprocessed."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.config.project import load_project
from emm.data.prepare.dataset import dataset_of
from emm.data.prepare.preprocess import preprocess
from emm.data.prepare.settings import read_preprocess, read_tasks
from emm.training.context import TrainingContext, open_context
from emm.training.settings import TrainingSettings

RANDOM = {"by": "random", "validation": 0.4, "test": 0.1}

ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation"),
    *("relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week"),
    *("native_country", "income"),
)


@dataclass(frozen=True)
class Table:
    """A table: ``frame`` reads it from FOLDER, None for a registered dataset; ``sizes``: numbers of
    rows that are learned; ``data``: the keys of its data.yaml."""

    frame: Callable[[Path], pl.DataFrame] | None
    sizes: tuple[int, ...]
    data: Mapping[str, Any]


def _adult(folder: Path) -> pl.DataFrame:
    frame = pl.read_csv(
        folder / "adult/adult.data.gz", has_header=False, new_columns=ADULT, infer_schema=False
    )
    return frame.with_columns(pl.all().str.strip_chars())


def _shoppers(folder: Path) -> pl.DataFrame:
    file = folder / "online-shoppers/online_shoppers_intention.csv.gz"
    frame = pl.read_csv(file, infer_schema=False)
    return frame.with_columns((pl.col("Revenue") == "TRUE").cast(pl.Int8))


def _rare(_folder: Path) -> pl.DataFrame:
    """Two tasks with 1.5 and 5 % positives, of interacting columns."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(40_000, 6))
    kind, place = draw.integers(0, 12, 40_000), draw.integers(0, 300, 40_000)
    effects = draw.normal(size=(12,)), draw.normal(size=(300,))
    common = x[:, 0] * x[:, 1] + effects[0][kind] + 0.7 * effects[1][place]
    noise = draw.logistic(size=(2, 40_000))
    a = common + 1.5 * np.abs(x[:, 2]) - 8 + noise[0] > 0
    b = common - x[:, 3] - 4.6 + noise[1] > 0
    columns = {f"x{n}": x[:, n].round(4) for n in range(6)}
    return pl.DataFrame({**columns, "kind": kind, "place": place, "a": a * 1, "b": b * 1})


TABLES = {
    "adult": Table(
        _adult,
        (1_000, 4_000),
        {
            "tasks": ["income", "married"],
            "custom": {
                "tasks": {
                    "income": "income = '>50K'",
                    "married": {
                        "expression": "marital_status = 'Married-civ-spouse'",
                        "made_from": ["relationship"],
                    },
                },
                "split": RANDOM,
            },
        },
    ),
    "online-shoppers": Table(
        _shoppers,
        (6_000,),
        {
            "tasks": ["revenue", "valued"],
            "custom": {
                "tasks": {"revenue": "Revenue", "valued": "PageValues > 0"},
                "split": RANDOM,
            },
        },
    ),
    "kuairand-pure": Table(
        None,
        (4_000,),
        {"tasks": ["is_click", "long_view", "is_like"], "preprocess": {"rare_below": 2}},
    ),
    "rare": Table(
        _rare,
        (5_000,),
        {"tasks": ["a", "b"], "custom": {"tasks": {"a": "a", "b": "b"}, "split": RANDOM}},
    ),
}


def open_table(name: str, data: Path, folder: Path) -> TrainingContext:
    """Preprocess a table in ``folder``; returns train and validation. ``data``: published files."""
    table, raw = TABLES[name], folder / "raw"
    raw.mkdir()
    if table.frame:
        table.frame(data).write_csv(raw / "table.csv")
    for file in () if table.frame else (data / name).glob("*.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    (folder / f"conf/{name}").mkdir(parents=True)
    tree = {"preprocess": {}, "custom": None, **table.data}
    (folder / f"conf/{name}/data.yaml").write_text(json.dumps(tree))
    lists: dict[str, Any] = {key: [] for key in ("trained", "baselines", "fused", "table")}
    (folder / "params.yaml").write_text(json.dumps(lists | {"datasets": [name], "recipe": "-"}))
    settings = load_project(folder / "params.yaml").data(name)
    tasks = read_tasks(settings)
    out = folder / "processed"
    out.mkdir()
    preprocess(
        dataset_of(settings, name, raw),
        raw,
        out,
        tasks=tasks,
        seed=0,
        rare_below=read_preprocess(settings, tasks).rare_below,
        rejected=folder / "rejected.jsonl",
    )
    return open_context(out, "default", TrainingSettings(device="cpu"))
