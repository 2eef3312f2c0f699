"""The comparisons behind the recipe `default`: one setting changed at a time, on several tables.

    python -m benchmarks.default_recipe --data FOLDER --out tuning/default

FOLDER has the published files: adult/adult.data.gz (UCI Adult, CC BY 4.0), online-shoppers/
online_shoppers_intention.csv.gz (UCI, CC BY 4.0) and kuairand-pure/ (KuaiRand-Pure, CC BY-SA 4.0).
The table `rare` is generated. Test rows are never read: some rows of validation choose the epoch,
and the score of a variant is that of the others, ``unseen``, at this epoch.

Each table is one JSON file, `benchmarks/default_tables.py` prepares it. A variant has for each seed
the mean AUC of each epoch on the rows that choose (``chosen``), their loss, and the mean AUC on the
rows that nothing saw (``unseen``); a variant of trees has ``unseen`` only.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.default_tables import TABLES, open_table
from emm.core.progress import say
from emm.data.tables.rows import RowTensors, count_batches
from emm.models import model_class
from emm.training.auto import Facts, network_defaults, training_defaults, tree_defaults
from emm.training.context import TrainingContext
from emm.training.fit import evaluated, train_epoch, validation_scores
from emm.training.optimisers import Optimisation, Stepper
from emm.training.seeds import order_generator, seed_dropout, seed_init
from emm.training.weighting import make_weighting
from emm.trees.gbdt import fit as boost
from emm.trees.settings import library_of, read_boosting

CHOOSING = 0.2  # rows that choose the epoch, as a share of the rows that are learned
UNSEEN = 4_000  # rows, at most
MODEL = "mmoe"

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "learning_rate: 0.002": {"learning_rate": 0.002},
    "learning_rate: 0.01": {"learning_rate": 0.01},
    "dropout: 0.1": {"dropout": 0.1},
    "dropout: 0.3": {"dropout": 0.3},
    "embedding_dim: 4": {"embedding_dim": 4},
    "dense_encoding: binned": {"dense_encoding": "binned"},
    "half the batch": {"batches": 0.5},
    "4 epochs": {"max_epochs": 4},
    "9 epochs": {"max_epochs": 9},
    "defaults: fixed": {
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
    "learning_rate: 0.03": {"learning_rate": 0.03},
    "columns_per_tree: 1.0": {"columns_per_tree": 1.0},
    "for large tables": {
        "columns_per_tree": 0.4,
        "category_smoothing": 50.0,
        "category_l2": 10.0,
        "min_samples_category": 100,
    },
    "library: catboost": {"library": "catboost"},
    "library: scikit-learn": {"library": "scikit-learn"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--trees", action="store_true", help="keep the networks of the files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.tables:
        with TemporaryDirectory() as folder:
            context = open_table(name, options.data.resolve(), Path(folder))
        for size in TABLES[name].sizes:
            file = options.out / f"{name}-{size}.json"
            if options.trees:
                found = json.loads(file.read_text(encoding="utf-8"))
                found["trees"] = compare_trees(context, size)
            else:
                found = compare(context, size, options.variants, range(options.seeds))
            file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            say(f"{file} is written")


def compare(
    context: TrainingContext, size: int, variants: Sequence[str], seeds: Sequence[int]
) -> dict[str, Any]:
    """The variants on a table of so many rows."""
    parts = _parts(context, size)
    facts = _facts(context, *parts[:2])
    networks = {
        variant: [_network(context, *parts, facts, VARIANTS[variant], seed) for seed in seeds]
        for variant in variants
    }
    return {
        "rows": dict(zip(("learned", "choosing", "unseen"), map(len, parts), strict=True)),
        "facts": vars(facts),
        "networks": networks,
        "trees": compare_trees(context, size),
    }


def compare_trees(context: TrainingContext, size: int) -> dict[str, float]:
    """The mean AUC of each variant of boosted trees on the rows that nothing saw."""
    parts = _parts(context, size)
    facts = _facts(context, *parts[:2])
    return {name: _trees(context, *parts, facts, change) for name, change in TREES.items()}


def _parts(context: TrainingContext, size: int) -> tuple[RowTensors, RowTensors, RowTensors]:
    """The rows that are learned, those that choose the epoch, and those that nothing sees."""
    draw = torch.Generator().manual_seed(0)
    train, held = (context.train.in_memory(1, 0), context.validation.in_memory(1, 0))
    learned = train.rows(torch.randperm(len(train), generator=draw)[:size].sort().values)
    order = torch.randperm(len(held), generator=draw)
    count = min(int(CHOOSING * len(learned)), len(held) // 2)
    unseen = order[count : count + UNSEEN]
    return learned, held.rows(order[:count].sort().values), held.rows(unseen.sort().values)


def _facts(context: TrainingContext, learned: RowTensors, choosing: RowTensors) -> Facts:
    positives = choosing.labels.float().sum(0)
    rarest = int(torch.minimum(positives, len(choosing) - positives).min())
    return Facts(len(learned), rarest, sum(context.inputs.cardinalities))


def _network(
    context: TrainingContext,
    learned: RowTensors,
    choosing: RowTensors,
    unseen: RowTensors,
    facts: Facts,
    change: Mapping[str, Any],
    seed: int,
) -> dict[str, list[float]]:
    """Scores by epoch of one training."""
    keys = {**training_defaults(facts), **network_defaults(facts, MODEL), **change}
    batch_size, tasks = int(keys["batch_size"] * keys.get("batches", 1)), context.schema.tasks
    names = ["embedding_dim", "experts", "expert", "tower", "dropout", "dense_encoding"]
    seed_init(seed, MODEL)
    arguments = {name: keys[name] for name in names}
    model = model_class(MODEL)(context.inputs, len(tasks), **arguments)
    names = ["learning_rate", "weight_decay", "optimiser", "lr_schedule", "ema_decay"]
    how = Optimisation(**{name: keys[name] for name in names})
    steps = keys["max_epochs"] * count_batches(len(learned), batch_size)
    stepper, weighting = Stepper(model, [], how, steps), make_weighting(len(tasks))
    order = order_generator(seed, torch.device("cpu"), MODEL)
    seed_dropout(seed, MODEL)
    found: dict[str, list[float]] = {"chosen": [], "loss": [], "unseen": []}
    for number in range(1, keys["max_epochs"] + 1):
        batches = learned.shuffled(batch_size, order)
        loss = train_epoch(model, learned, batches, weighting, stepper)
        epoch = evaluated(number, loss, stepper.kept, choosing, "loss")
        found["chosen"].append(round(epoch.mean_score, 5))
        found["loss"].append(round(float(epoch.loss or 0), 5))
        found["unseen"].append(round(fmean(validation_scores(stepper.kept, unseen)), 5))
    return found


def _trees(
    context: TrainingContext,
    learned: RowTensors,
    choosing: RowTensors,
    unseen: RowTensors,
    facts: Facts,
    change: Mapping[str, Any],
) -> float:
    """Mean AUC of boosted trees on the rows that nothing saw."""
    library = library_of(change)
    section = {**tree_defaults(facts, library), **change}
    settings = read_boosting(section, "gbdt", "the comparison")
    model, _ = boost(learned, choosing, context.inputs, settings, seed=0)
    return round(fmean(validation_scores(model, unseen)), 5)


if __name__ == "__main__":
    main()
