"""Published ways of each method next to this project's, compared on validation.

    python -m benchmarks.deviations --out tuning/deviations

reads data/processed/census-income, which `dvc repro preprocess@census-income` writes; of test, no
row is read. A trial trains one model with a change of the recipe `paper`, through the same jobs as
the stages. Its file in --out has the validation AUC of each task after every epoch, by seed; runs
that a file has are skipped. `benchmarks/deviation_docs.py` writes the tables of
docs/deviations.md.
"""

import argparse
import json
from collections.abc import Mapping
from contextlib import chdir
from copy import deepcopy
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.deviation_trials import COMMON, TRIALS, Trial
from emm.automtl.fields import field_names
from emm.automtl.search import search
from emm.automtl.settings import SearchSettings
from emm.automtl.space import ARCHITECTURE, WEIGHTS, write_architecture
from emm.automtl.supernet import Supernet
from emm.config.files import read_layers
from emm.config.project import Project, load_project
from emm.core.files import write_json
from emm.core.progress import say
from emm.fusion.decompose import decompose
from emm.fusion.settings import FusionSettings
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, open_context
from emm.training.history import HISTORY
from emm.training.jobs import job_of
from emm.training.settings import TrainingSettings

ROOT = Path(__file__).resolve().parents[1]
DATASET, RECIPE = "census-income", "paper"
TRAINED, FUSED, SEARCHED = ("tm-1", "tm-2"), ("emm_paper",), ("automtl",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "data/processed" / DATASET)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=list(TRIALS), choices=TRIALS, metavar="NAME")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, out = options.data.resolve(), options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        for seed, name in product(range(options.seeds), options.only):
            # Fused models share their pool, and with it a folder.
            model = TRIALS[name].model
            own = Path(folder, model if model in FUSED else f"{name}-{seed}")
            own.mkdir(exist_ok=True)
            with chdir(own):
                add_run(out / f"{name}.json", TRIALS[name], seed, data)


def add_run(file: Path, trial: Trial, seed: int, data: Path) -> None:
    """Train ``trial`` with a seed in the working folder and add the run to ``file``, if it has no
    run of this seed."""
    record: dict[str, Any] = {"model": trial.model, "changes": dict(trial.changes), "runs": []}
    if file.exists():
        record = json.loads(file.read_text(encoding="utf-8"))
    if any(each["seed"] == seed for each in record["runs"]):
        return
    project = make_project(Path.cwd(), trial, seed)
    training = project.recipe(DATASET).read("training", TrainingSettings)
    context = sample(open_context(data, RECIPE, training), trial.rows)
    record["rows"] = len(context.train)
    record["runs"].append(rounded(train(trial, project, context, seed)))
    write_json(file, record)
    say(f"{file.name} has seed {seed}")


def make_project(folder: Path, trial: Trial, seed: int) -> Project:
    """A project with the changed recipe, in ``folder``."""
    tree = deepcopy(read_layers(ROOT / f"conf/{DATASET}/{RECIPE}.yaml"))
    changes = {**COMMON, **trial.changes, "training.seeds": [seed], "training.device": "cpu"}
    if trial.model in SEARCHED:
        changes[f"search.{trial.model}.seed"] = seed
    for key, value in changes.items():
        *path, last = key.split(".")
        section = tree
        for part in path:
            section = section[part]
        section[last] = value
    conf = folder / f"conf/{DATASET}"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / f"{RECIPE}.yaml").write_text(json.dumps(tree))
    (conf / "data.yaml").write_text(json.dumps(read_layers(ROOT / f"conf/{DATASET}/data.yaml")))
    known = {*TRAINED, *FUSED, *SEARCHED}
    active = {
        "datasets": [DATASET],
        "recipe": RECIPE,
        "trained": list(TRAINED),
        "baselines": [] if trial.model in known else [trial.model],
        "fused": list(FUSED),
        "searched": list(SEARCHED),
        "table": [trial.model],
    }
    (folder / "params.yaml").write_text(json.dumps(active))
    return load_project(folder / "params.yaml")


def sample(context: TrainingContext, rows: int | None) -> TrainingContext:
    """The context with so many random rows of train, the same for every seed; None: all."""
    if rows is None:
        return context
    order = torch.randperm(len(context.train), generator=torch.Generator().manual_seed(0))
    return replace(context, train=context.train.rows(order[:rows].sort().values))


def train(trial: Trial, project: Project, context: TrainingContext, seed: int) -> dict[str, Any]:
    """Train the trial's model, and first what it is made of; returns its run in history.json."""
    if trial.model in SEARCHED:
        _search(project, context, trial.model)
    if trial.model in FUSED:
        _pool(project, context, seed)
    with TemporaryDirectory() as folder:
        job_of(project, DATASET, trial.model).train(Path(folder), context, Checkpoint())
        (run,) = json.loads(Path(folder, HISTORY).read_text(encoding="utf-8"))["runs"]
    return dict(run)


def _search(project: Project, context: TrainingContext, model: str) -> None:
    """What the stage `search` does."""
    sections = project.recipe(DATASET)
    settings, arguments = sections.read_model(
        f"search.{model}", Supernet, SearchSettings, ("outputs",)
    )
    found = search(context, settings, arguments)
    folder = project.paths(DATASET).architecture(model)
    folder.mkdir(parents=True, exist_ok=True)
    names, tasks = field_names(context.schema), context.schema.tasks
    write_architecture(folder / ARCHITECTURE, found.found.architecture, names, tasks)
    save_file(dict(found.weights), folder / WEIGHTS)


def _pool(project: Project, context: TrainingContext, seed: int) -> None:
    """What the stages `pretrain` and `decompose` do, unless an earlier trial did it."""
    paths = project.paths(DATASET)
    if (paths.components / f"seed-{seed}").exists():
        return
    networks = {name: paths.model(name) for name in TRAINED}
    for name, folder in networks.items():
        folder.mkdir(parents=True, exist_ok=True)
        job_of(project, DATASET, name).train(folder, context, Checkpoint())
    fusion = project.recipe(DATASET).read("fusion", FusionSettings)
    paths.components.mkdir(parents=True, exist_ok=True)
    decompose(paths.components, context, networks, {}, fusion, [seed])


def rounded(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run of history.json with the AUC of each epoch only, to six digits."""
    epochs = [
        {task: round(auc, 6) for task, auc in epoch["auc"].items()} for epoch in run["epochs"]
    ]
    first = run["epochs"][0]["epoch"]
    best = run["best_epoch"]
    return {"seed": run["seed"], "first_epoch": first, "best_epoch": best, "auc": epochs}


if __name__ == "__main__":
    main()
