"""Columns of whole numbers as numbers and as categories, on Adult.

    python -m benchmarks.whole_numbers --raw data/raw/adult
    python -m benchmarks.whole_numbers --docs

Which is better when nobody says what they are? Quantities are age, hours per week and years of
education; codes are occupation and country, whose values get numbers in random order. Everything
else stays. Random rows of train, a network and boosted trees with the settings of the recipe
`default`, and the mean validation AUC of two tasks: no row of test is read.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import torch

import emm
from benchmarks.results import between
from benchmarks.small_tables import facts_of
from emm.api.datasets import Dataset
from emm.core.files import write_json
from emm.core.progress import say
from emm.data.custom.describe import describe_custom
from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.adult import COLUMNS
from emm.data.datasets.split_rules import AsPublished
from emm.data.prepare.preprocess import preprocess
from emm.report.markdown import markdown_table
from emm.training.auto import network_defaults, training_defaults, tree_defaults
from emm.trees.gbdt import fit
from emm.trees.settings import LightGBMSettings

OUT, PAGE = Path("tuning/whole-numbers.json"), Path("benchmarks/README.md")
QUANTITIES, CODES = ("age", "education_num", "hours_per_week"), ("occupation", "native_country")
DENSE, SPARSE = ("capital_gain", "capital_loss"), ("workclass", "race", "sex")
TASKS = {"income": "income = '>50K'", "married": "marital_status = 'Married-civ-spouse'"}
ROWS, VALIDATION, SEEDS = (300, 1_000, 3_000, 10_000, 24_000), 8_000, 3
KINDS = ("quantities", "codes")
NETWORK, TREES = "shared_bottom", "lightgbm"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, default=Path("data/raw/adult"))
    parser.add_argument("--docs", action="store_true", help=f"write the table of {PAGE}")
    options = parser.parse_args()
    if options.docs:
        text = PAGE.read_text(encoding="utf-8")
        found = json.loads(OUT.read_text(encoding="utf-8"))
        PAGE.write_text(between(text, "whole-numbers", table(found)), encoding="utf-8")
        return
    torch.set_num_threads(1)
    rows = adult(options.raw)
    record: dict[str, Any] = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    for seed, count, kind, dense in product(range(SEEDS), ROWS, KINDS, (True, False)):
        own = record.setdefault(kind, {}).setdefault(str(count), {})
        runs = own.setdefault("numbers" if dense else "categories", {})
        if str(seed) not in runs:
            runs[str(seed)] = one_run(rows, count, kind, dense=dense, seed=seed)
            write_json(OUT, record)
            say(f"{kind} as {'numbers' if dense else 'categories'}, {count} rows, seed {seed}")


def adult(raw: Path) -> pl.DataFrame:
    """The rows of Adult's file of train, with numbers in random order for the values of codes."""
    text = (raw / "adult.data").read_bytes().replace(b", ", b",")
    rows = pl.read_csv(text, has_header=False, new_columns=[*COLUMNS]).drop_nulls()
    for name in CODES:
        values = rows[name].unique().sort().sample(fraction=1, shuffle=True, seed=0)
        numbers = pl.col(name).replace_strict(values, pl.int_range(len(values), eager=True))
        rows = rows.with_columns(numbers)
    return rows


def one_run(
    rows: pl.DataFrame, count: int, kind: str, *, dense: bool, seed: int
) -> Mapping[str, float]:
    """Validation AUC of the network and the trees, mean over the tasks."""
    asked, other = (QUANTITIES, CODES) if kind == "quantities" else (CODES, QUANTITIES)
    numbers = {*DENSE, *(asked if dense else ()), *(other if kind == "codes" else ())}
    categories = {*SPARSE, *QUANTITIES, *CODES} - numbers
    with TemporaryDirectory() as name:
        folder = Path(name)
        drawn = rows.sample(VALIDATION + count, shuffle=True, seed=seed)
        for part in ("validation", "test"):
            drawn[:VALIDATION].write_csv(folder / f"{part}.csv")
        drawn[VALIDATION:].write_csv(folder / "train.csv")
        described = describe_custom(
            "adult",
            folder,
            files=CustomFiles({part: (f"{part}.csv",) for part in ("train", "validation", "test")}),
            columns=CustomColumns(tuple(sorted(numbers)), tuple(sorted(categories))),
            tasks={task: CustomTask(expression) for task, expression in TASKS.items()},
            split=AsPublished(),
            config="",
        )
        out = folder / "processed"
        out.mkdir()
        how = {"seed": 0, "rare_below": 1, "rejected": folder / "rejected.jsonl"}
        preprocess(described, folder, out, tasks=[*TASKS], **how)
        return scores(emm.load_dataset(out, device="cpu"), seed)


def scores(dataset: Dataset, seed: int) -> Mapping[str, float]:
    """Of the network and of the trees: the mean AUC over the tasks in the best epoch or round."""
    facts, context = facts_of(dataset.context), dataset.context
    settings = {**training_defaults(facts), **network_defaults(facts, NETWORK)}
    network = emm.fit(dataset, NETWORK, seed=seed, **settings)
    boosting = LightGBMSettings(**tree_defaults(facts, TREES))
    train, validation = (rows.in_memory(1, 0) for rows in (context.train, context.validation))
    _, histories = fit(train, validation, context.inputs, boosting, seed=seed)
    best = [
        next(each.score for each in own.iterations if each.iteration == own.best_iteration)
        for own in histories
    ]
    merit = max(epoch.mean_score for epoch in network.epochs)
    return {"network": round(merit, 6), "trees": round(fmean(best), 6)}


def table(found: Mapping[str, Any]) -> str:
    """What numbers gain over categories, by kind of column, model and rows of train."""
    rows = [
        [kind, model, *(_gain(found[kind][str(count)], model) for count in ROWS)]
        for kind, model in product(KINDS, ("network", "trees"))
    ]
    return markdown_table(["columns", "model", *(f"{count:,} rows" for count in ROWS)], rows)


def _gain(runs: Mapping[str, Mapping[str, Mapping[str, float]]], model: str) -> str:
    as_numbers, as_categories = runs["numbers"], runs["categories"]
    gains: Sequence[float] = [
        as_numbers[seed][model] - as_categories[seed][model] for seed in as_numbers
    ]
    return f"{fmean(gains):+.4f} ± {stdev(gains):.4f}"


if __name__ == "__main__":
    main()
