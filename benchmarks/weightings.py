"""The rules of loss weighting next to equal weights: what they cost, and what they gain.

    python -m benchmarks.weightings cost
    python -m benchmarks.weightings compare

Both train MMoE with every rule on one thread and write JSON files to --out, from which
`benchmarks/weighting_docs.py` makes the tables of docs/weighting.md. ``cost``: processor time of a
step, on Census-Income with the sizes and batches of the recipe `paper`; the rules take turns.
``compare``: the validation AUC by dataset, rule and seed, on a random part of train, with the
settings that the recipe `default` determines from these rows; of test, no row is read. Runs that a
file has are skipped, so it can be stopped and started again.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import cycle, islice, product
from pathlib import Path
from statistics import median
from typing import Any

import torch

import emm
from benchmarks.model_runners import Setting, emm_model, emm_stepper, read_setting
from benchmarks.small_tables import facts_of, open_table
from emm.core.files import write_json
from emm.core.progress import say
from emm.training.auto import network_defaults, training_defaults
from emm.training.fit import train_epoch
from emm.training.weighting import WEIGHTINGS

ROOT = Path(__file__).resolve().parents[1]
OUT, COST, EQUAL = ROOT / "tuning/weightings", "cost.json", "equal"
MODEL, ROWS = "mmoe", 40_000
DATA = {
    "census-income": ROOT / "data/processed",
    "adult": ROOT / "study/tables/data/processed",
    "kuairand-pure": ROOT / "study/tables/data/processed",
}
"""The folder in which a dataset's processed data is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cost", "compare"])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--rules", nargs="+", default=list(WEIGHTINGS), choices=WEIGHTINGS)
    parser.add_argument("--datasets", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=ROWS, help="of train, at most, of compare")
    parser.add_argument("--steps", type=int, default=60, help="of a round of cost")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if options.what == "cost":
        write_json(out / COST, cost(options.rules, options.steps, options.rounds))
        return
    for dataset in options.datasets:
        compare(out / f"{dataset}.json", dataset, DATA[dataset], options)


def weighting_of(rule: str, tasks: int) -> dict[str, Any]:
    """The rule with its defaults; fixed weights favour the first task."""
    more = {"weights": [2.0] + [1.0] * (tasks - 1)} if rule == "fixed" else {}
    return {"rule": rule, **more}


def cost(rules: list[str], steps: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of processor time of a step, and their ratio to equal weights, by rule."""
    setting = read_setting(MODEL, 1, 0)
    timed = {rule: _steps_of(setting, rule) for rule in [EQUAL, *rules]}
    for run in timed.values():
        run(steps)
    each: dict[str, list[float]] = {rule: [] for rule in timed}
    for _ in range(rounds):
        for rule, run in timed.items():
            start = time.process_time()
            run(steps)
            each[rule].append(1e3 * (time.process_time() - start) / steps)
    return {
        "rules": {
            rule: {
                "ms": round(median(own), 3),
                "ratio": round(median(a / b for a, b in zip(own, each[EQUAL], strict=True)), 3),
            }
            for rule, own in each.items()
        },
        "batch_size": setting.schedule.batch_size,
        "steps": steps,
        "rounds": rounds,
    }


def _steps_of(setting: Setting, rule: str) -> Callable[[int], None]:
    """A function that trains a fresh model with a rule for so many steps more."""
    tasks = len(setting.context.schema.tasks)
    schedule = replace(setting.schedule, weighting=weighting_of(rule, tasks))
    setting = replace(setting, schedule=schedule)
    model = emm_model(setting)
    weighting, stepper = emm_stepper(setting, model)
    train, size = setting.context.train, schedule.batch_size
    parts = list(train.shuffled(size, torch.Generator().manual_seed(0)))[:20]
    batches = cycle(parts)

    def run(steps: int) -> None:
        train_epoch(model, train, islice(batches, steps), weighting, stepper)

    return run


def compare(file: Path, name: str, data: Path, options: argparse.Namespace) -> None:
    """Add the runs of a dataset that ``file`` doesn't have."""
    dataset = open_table(name, data, options.rows)
    facts = facts_of(dataset.context)
    settings = {**training_defaults(facts), **network_defaults(facts, MODEL)}
    new = {"rows": facts.rows, "tasks": [*dataset.tasks], "runs": {}}
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else new
    for seed, rule in product(range(options.seeds), options.rules):
        own = record["runs"].setdefault(rule, {})
        if str(seed) not in own:
            weighting = weighting_of(rule, len(dataset.tasks))
            found = emm.fit(dataset, MODEL, seed=seed, **settings, weighting=weighting)
            own[str(seed)] = best_scores(found)
            write_json(file, record)
            say(f"{file.name} has {rule}, seed {seed}")


def best_scores(model: emm.Model) -> Mapping[str, Any]:
    """The validation AUC of each task in the best epoch, and its number."""
    best = max(model.epochs, key=lambda epoch: epoch.merit)
    auc = {task: round(value, 6) for task, value in zip(model.tasks, best.scores, strict=True)}
    return {"epoch": best.epoch, "auc": auc}


if __name__ == "__main__":
    main()
