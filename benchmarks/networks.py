"""Test scores of the multi-task networks that the default table doesn't show, on three tables.

    python -m benchmarks.networks --data FOLDER --out tuning/networks
    python -m benchmarks.networks --docs

FOLDER has processed data, such as data/processed: census-income and kuairand-pure. The third table
is a funnel of generated impressions, see `benchmarks.funnel`. Each network has the settings of the
recipe `default`, as the table determines them, and no trials; validation chooses the epoch, and
test is read once. A table's rows of train and validation are a random part, so that all runs take
half an hour on one core. Each run is one line of OUT/TABLE.jsonl; runs that are there are skipped.
``--docs`` writes the tables of `benchmarks/README.md`.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

import emm
from benchmarks.results import between
from benchmarks.small_tables import facts_of, open_table
from emm.api.datasets import Dataset
from emm.core.progress import say
from emm.evaluation.operations import count_operations
from emm.nn.mlp import count_parameters
from emm.report.markdown import markdown_table
from emm.report.names import display_name
from emm.training.auto import network_defaults, training_defaults

MODELS = ("shared_bottom", "mmoe", "cross_stitch", "sluice", "home", "resflow", "ektm")
BASE = "mmoe"
TABLES = ("census-income", "kuairand-pure", "funnel")
SEEDS = (0, 1, 2)
ROWS = 60_000  # of train, at most; a quarter as many of validation
RESULTS = Path("tuning/networks")
PAGE = Path("benchmarks/README.md")

KUAIRAND_GROUPS = {"watching": ["is_click", "long_view"], "interaction": ["is_like"]}
ARGUMENTS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("kuairand-pure", "home"): {"groups": KUAIRAND_GROUPS}
}
"""Of a table and a network, besides those of the recipe."""

Run = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/processed"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--rows", type=int, default=ROWS, help="of train, at most")
    parser.add_argument("--docs", action="store_true", help=f"write the table of {PAGE}")
    options = parser.parse_args()
    if options.docs:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for table in options.tables:
        compare(table, options.data, options.out / f"{table}.jsonl", options)


def compare(table: str, data: Path, log: Path, options: argparse.Namespace) -> None:
    """Add the runs of a table that the log doesn't have."""
    done = {(run["model"], run["seed"]) for run in read(log)}
    wanted = [(model, seed) for seed in options.seeds for model in options.models]
    missing = [each for each in wanted if each not in done]
    if not missing:
        return
    dataset = open_table(table, data, options.rows)
    for model, seed in missing:
        say(f"{table}: {model}, seed {seed}")
        line = json.dumps(one_run(dataset, model, seed, ARGUMENTS.get((table, model), {})))
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def one_run(dataset: Dataset, model: str, seed: int, more: Mapping[str, Any]) -> Run:
    """Train a network with the settings that the table determines, and score it on test."""
    facts = facts_of(dataset.context)
    settings = {**training_defaults(facts), **network_defaults(facts, model), **more}
    found = emm.fit(dataset, model, seed=seed, **settings)
    scores = emm.evaluate(found, dataset)
    first = next(dataset.context.validation.rows(torch.zeros(1, dtype=torch.int64)).in_order(1))
    return {
        "model": model,
        "seed": seed,
        "rows": facts.rows,
        "parameters": count_parameters(found.network),
        "operations": count_operations(found.network, first.inputs),
        "epochs": len(found.epochs),
        "auc": {task: round(own["auc"], 6) for task, own in scores.items()},
        "logloss": {task: round(own["logloss"], 6) for task, own in scores.items()},
    }


def read(log: Path) -> list[Run]:
    """The runs of a log; none if there is no such file."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [json.loads(line) for line in lines]


def page(text: str, results: Path = RESULTS) -> str:
    """The page with the table of all results between its markers."""
    parts = [table_of(name, read(results / f"{name}.jsonl")) for name in TABLES]
    return between(text, "networks", "\n\n".join(parts))


def table_of(name: str, runs: Sequence[Run]) -> str:
    """One table in Markdown: the networks with their AUCs, and what they differ from the base."""
    if not runs:
        return f"{name}: not run yet."
    tasks = list(runs[0]["auc"])
    head = ["network", "parameters", "operations per row", *tasks, "mean AUC, difference"]
    base = {run["seed"]: run for run in runs if run["model"] == BASE}
    rows = [row(model, [r for r in runs if r["model"] == model], tasks, base) for model in MODELS]
    title = f"{name}, {runs[0]['rows']:,} rows of train, seeds {', '.join(map(str, base))}:"
    return f"{title}\n\n{markdown_table(head, [*filter(None, rows)])}"


def row(
    model: str, runs: Sequence[Run], tasks: Sequence[str], base: Mapping[int, Run]
) -> list[str]:
    """A line of the table; [] without runs."""
    if not runs:
        return []
    sizes = [f"{runs[0][key]:,}" for key in ("parameters", "operations")]
    aucs = [spread([run["auc"][task] for run in runs], ".5f") for task in tasks]
    gaps = [] if model == BASE else list(_gaps(runs, base))
    return [display_name(model), *sizes, *aucs, spread(gaps, "+.5f") if gaps else ""]


def _gaps(runs: Sequence[Run], base: Mapping[int, Run]) -> Iterator[float]:
    """Mean AUC above that of the base, for each seed that both have."""
    for run in runs:
        if run["seed"] in base:
            yield fmean(run["auc"].values()) - fmean(base[run["seed"]]["auc"].values())


def spread(values: Sequence[float], digits: str) -> str:
    """Mean and standard deviation over seeds; only the value of a single one."""
    mean = f"{fmean(values):{digits}}"
    return f"{mean} ± {stdev(values):.5f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
