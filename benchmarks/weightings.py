"""The rules of loss weighting next to equal weights: what they cost, and what they gain.

    python -m benchmarks.weightings cost
    python -m benchmarks.weightings compare

Both train MMoE with every rule on one thread and write JSON files to --out, from which
`benchmarks/weighting_docs.py` makes the tables of docs/weighting.md. ``cost``: processor time of a
step, on Census-Income with the sizes and batches of the recipe `paper`; the rules take turns.
``compare``: the validation AUC of the recipe `default` by dataset, rule and seed; of test, no row
is read. Runs that a file has are skipped, so it can be stopped and started again.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from contextlib import chdir
from copy import deepcopy
from dataclasses import replace
from itertools import cycle, islice, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.model_runners import Setting, emm_model, emm_stepper, read_setting
from emm.config.files import read_layers
from emm.config.project import Project, load_project
from emm.core.files import write_json
from emm.core.progress import say
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, open_context
from emm.training.fit import train_epoch
from emm.training.history import HISTORY
from emm.training.jobs import job_of
from emm.training.settings import TrainingSettings
from emm.training.weighting import WEIGHTINGS

ROOT = Path(__file__).resolve().parents[1]
OUT, COST, EQUAL = ROOT / "tuning/weightings", "cost.json", "equal"
MODEL, RECIPE = "mmoe", "default"
DATA = {
    "census-income": ROOT / "data/processed/census-income",
    "adult": ROOT / "study/tables/data/processed/adult",
    "kuairand-pure": ROOT / "study/tables/data/processed/kuairand-pure",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cost", "compare"])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--rules", nargs="+", default=list(WEIGHTINGS), choices=WEIGHTINGS)
    parser.add_argument("--datasets", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="of a round of cost")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if options.what == "cost":
        write_json(out / COST, cost(options.rules, options.steps, options.rounds))
        return
    for seed, dataset, rule in product(range(options.seeds), options.datasets, options.rules):
        add_run(out / f"{dataset}.json", dataset, rule, seed)


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


def add_run(file: Path, dataset: str, rule: str, seed: int) -> None:
    """Train with a rule and a seed and add the run to ``file``, if it has no such run."""
    record: dict[str, Any] = {"runs": {}}
    if file.exists():
        record = json.loads(file.read_text(encoding="utf-8"))
    own = record["runs"].setdefault(rule, {})
    if str(seed) in own:
        return
    with TemporaryDirectory() as folder, chdir(folder):
        project = make_project(Path(folder), dataset, rule, seed)
        training = project.recipe(dataset).read("training", TrainingSettings)
        context = open_context(DATA[dataset], RECIPE, training)
        own[str(seed)] = _train(project, dataset, context)
    record |= {"rows": len(context.train), "tasks": list(context.schema.tasks)}
    write_json(file, record)
    say(f"{file.name} has {rule}, seed {seed}")


def make_project(folder: Path, dataset: str, rule: str, seed: int) -> Project:
    """A project with one model and the rule in its section, in ``folder``."""
    tree = deepcopy(dict(read_layers(ROOT / f"conf/{dataset}/{RECIPE}.yaml")))
    schema = json.loads((DATA[dataset] / "schema.json").read_text(encoding="utf-8"))
    tree["training"] = {**tree["training"], "seeds": [seed], "device": "cpu"}
    tree["train"] = {MODEL: {"weighting": weighting_of(rule, len(schema["tasks"]))}}
    conf = folder / f"conf/{dataset}"
    conf.mkdir(parents=True)
    data = read_layers(ROOT / f"conf/{dataset}/data.yaml")
    for name, content in {RECIPE: tree, "data": data}.items():
        (conf / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")
    active: dict[str, Any] = {"datasets": [dataset], "recipe": RECIPE, "trained": [], "fused": []}
    active |= {"baselines": [MODEL], "table": [MODEL]}
    processed = folder / "data/processed"
    processed.mkdir(parents=True)
    (processed / dataset).symlink_to(DATA[dataset])
    params = folder / "params.yaml"
    params.write_text(json.dumps(active), encoding="utf-8")
    return load_project(params)


def _train(project: Project, dataset: str, context: TrainingContext) -> Mapping[str, Any]:
    """The validation AUC of each task in the best epoch, and its number."""
    with TemporaryDirectory() as folder:
        job_of(project, dataset, MODEL).train(Path(folder), context, Checkpoint())
        (run,) = json.loads(Path(folder, HISTORY).read_text(encoding="utf-8"))["runs"]
    best = next(each for each in run["epochs"] if each["epoch"] == run["best_epoch"])
    auc = {task: round(value, 6) for task, value in best["auc"].items()}
    return {"epoch": run["best_epoch"], "auc": auc}


if __name__ == "__main__":
    main()
