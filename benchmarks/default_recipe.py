"""The comparisons behind the recipe `default`: one setting changed at a time, on several tables.

    python -m benchmarks.default_recipe --data FOLDER --out tuning/default

FOLDER has the published files of `TABLES`: adult/adult.data.gz (UCI Adult, CC BY 4.0),
online-shoppers/online_shoppers_intention.csv.gz (UCI, CC BY 4.0) and kuairand-pure/ (KuaiRand-Pure,
CC BY-SA 4.0). Other tables are generated. Test rows are never read: the score of a variant is that
of rows that neither train nor the choice of its epoch saw. They come from train's file, too.

Each table is one JSON file: for every variant, the scores of each epoch on the rows that choose the
epoch (``chosen``), their loss, and the scores of the other rows (``unseen``).
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import torch

from emm.config.project import load_project
from emm.data.custom.settings import read_custom
from emm.data.prepare.dataset import dataset_of
from emm.data.prepare.preprocess import preprocess
from emm.data.prepare.settings import read_preprocess, read_tasks
from emm.data.tables.rows import RowTensors, count_batches
from emm.models import model_class
from emm.nn.losses import task_losses
from emm.training.auto import Facts, network_defaults, training_defaults, tree_defaults
from emm.training.context import TrainingContext, open_context
from emm.training.fit import predict, train_epoch, validation_scores
from emm.training.optimisers import Optimisation, Stepper
from emm.training.seeds import order_generator, seed_dropout, seed_init
from emm.training.settings import TrainingSettings
from emm.training.weighting import make_weighting
from emm.trees.gbdt import fit as boost
from emm.trees.settings import BoostingSettings

UNSEEN = 8_000  # rows, at most
CHOOSING = 0.2  # rows that choose the epoch, as a share of the rows that are learned
RANDOM = {"by": "random", "validation": 0.4, "test": 0.1}

ADULT = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
]


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
        (1_000, 4_000, 12_000),
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
        (1_500, 6_000),
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
        (8_000, 30_000),
        {"tasks": ["is_click", "long_view", "is_like"], "preprocess": {"rare_below": 2}},
    ),
    "rare": Table(
        _rare,
        (5_000, 20_000),
        {"tasks": ["a", "b"], "custom": {"tasks": {"a": "a", "b": "b"}, "split": RANDOM}},
    ),
}

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "learning_rate: 0.002": {"learning_rate": 0.002},
    "learning_rate: 0.01": {"learning_rate": 0.01},
    "weight_decay: 0.1": {"weight_decay": 0.1},
    "dropout: 0.1": {"dropout": 0.1},
    "dropout: 0.3": {"dropout": 0.3},
    "embedding_dim: 4": {"embedding_dim": 4},
    "embedding_dim: 16": {"embedding_dim": 16},
    "dense_encoding: binned": {"dense_encoding": "binned"},
    "half the batch": {"batches": 0.5},
    "twice the batch": {"batches": 2},
    "4 epochs": {"max_epochs": 4},
    "9 epochs": {"max_epochs": 9},
    "no average of weights": {"ema_decay": 0.0},
    "signatures": {  # what an empty section has with `defaults: fixed`
        "learning_rate": 0.001,
        "weight_decay": 0.00001,
        "embedding_dim": 4,
        "dense_encoding": "scaled",
        "dropout": 0.0,
        "experts": 12,
        "expert": [128, 64],
        "tower": [32],
        "optimiser": "adam",
        "lr_schedule": "constant",
        "ema_decay": 0.0,
        "batch_size": 1024,
        "max_epochs": 20,
    },
}

TREES: dict[str, dict[str, Any]] = {
    "default": {},
    "max_leaf_nodes: 7": {"max_leaf_nodes": 7},
    "max_leaf_nodes: 31": {"max_leaf_nodes": 31},
    "min_samples_leaf: 50": {"min_samples_leaf": 50},
    "l2_regularization: 10": {"l2_regularization": 10.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.tables:
        with TemporaryDirectory() as folder:
            context = _open(name, TABLES[name], options.data.resolve(), Path(folder))
        for size in TABLES[name].sizes:
            parts = _parts(context, size)
            found = {"rows": len(parts[0]), "choosing": len(parts[1]), "unseen": len(parts[2])}
            found["networks"] = {
                name: [_network(context, *parts, VARIANTS[name], s) for s in range(options.seeds)]
                for name in options.variants
            }
            found["trees"] = {v: _trees(context, *parts, c) for v, c in TREES.items()}
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{name}-{size}.json").write_text(json.dumps(found))


def _open(name: str, table: Table, data: Path, folder: Path) -> TrainingContext:
    raw = folder / "raw"
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
    preprocessing = read_preprocess(settings, tasks)
    read_custom(settings, tasks)
    (folder / "out").mkdir()
    preprocess(
        dataset_of(settings, name, raw),
        raw,
        folder / "out",
        tasks=tasks,
        seed=0,
        rare_below=preprocessing.rare_below,
        rejected=folder / "rejected.jsonl",
        max_rejected=0.01,
    )
    return open_context(folder / "out", "default", TrainingSettings(device="cpu"))


def _parts(context: TrainingContext, size: int) -> tuple[RowTensors, RowTensors, RowTensors]:
    """The rows that are learned, those that choose the epoch, and those that nothing sees."""
    draw = torch.Generator().manual_seed(0)
    train, held = context.train, context.validation
    order = torch.randperm(len(train), generator=draw)
    learned = train.rows(order[: min(size, len(train))].sort().values)
    order = torch.randperm(len(held), generator=draw)
    count = min(int(CHOOSING * len(learned)), len(held) // 2)
    unseen = order[count : count + UNSEEN]
    return learned, held.rows(order[:count].sort().values), held.rows(unseen.sort().values)


def _facts(context: TrainingContext, rows: RowTensors) -> Facts:
    positives = rows.labels.float().sum(0)
    rarest = int(torch.minimum(positives, len(rows) - positives).min())
    return Facts(len(rows), rarest, sum(context.inputs.cardinalities))


def _network(
    context: TrainingContext,
    train: RowTensors,
    choosing: RowTensors,
    unseen: RowTensors,
    change: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    facts = _facts(context, train)
    keys = {**training_defaults(facts), **network_defaults(facts, "mmoe"), **change}
    keys["batch_size"] = int(keys["batch_size"] * keys.get("batches", 1))
    epochs = keys["max_epochs"]
    names = ["embedding_dim", "experts", "expert", "tower", "dropout", "dense_encoding"]
    seed_init(seed, "mmoe")
    model = model_class("mmoe")(
        context.inputs, len(context.schema.tasks), **{name: keys[name] for name in names}
    )
    how = Optimisation(
        keys["learning_rate"],
        keys["weight_decay"],
        keys["optimiser"],
        keys["lr_schedule"],
        keys["ema_decay"],
    )
    weighting = make_weighting(train.labels.shape[1], rule="equal")
    steps = epochs * count_batches(len(train), keys["batch_size"])
    stepper = Stepper(model, [], how, steps)
    order = order_generator(seed, torch.device("cpu"), "mmoe")
    seed_dropout(seed, "mmoe")
    record: dict[str, Any] = {"chosen": [], "loss": [], "unseen": []}
    start = time.perf_counter()
    for _ in range(epochs):
        train_epoch(model, train, train.shuffled(keys["batch_size"], order), weighting, stepper)
        logits = predict(stepper.kept, choosing)
        record["chosen"].append(validation_scores(stepper.kept, choosing))
        record["loss"].append(task_losses(logits, choosing.labels.float()).tolist())
        record["unseen"].append(validation_scores(stepper.kept, unseen))
    return {"seconds": time.perf_counter() - start, "batch": keys["batch_size"], **record}


def _trees(
    context: TrainingContext,
    train: RowTensors,
    choosing: RowTensors,
    unseen: RowTensors,
    change: Mapping[str, Any],
) -> dict[str, Any]:
    settings = BoostingSettings(**{**tree_defaults(_facts(context, train)), **change})
    model, histories = boost(train, choosing, context.inputs, settings, seed=0)
    counts = [history.best_iteration for history in histories]
    return {"trees": counts, "unseen": validation_scores(model, unseen)}


if __name__ == "__main__":
    main()
