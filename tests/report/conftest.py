"""Small generated evaluation folders with the files of the evaluation stage."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from emm.report.facts import DatasetFacts
from tests.report.shop import shop_facts, write_labels

TASKS = ("income", "never-married")
TEST_ROWS = 200
R2 = {"tm-1": [0.5, 0.7], "emm": [0.6, 0.8]}


@pytest.fixture(scope="session")
def facts() -> DatasetFacts:
    rates = {"income": 0.0621, "never-married": 0.4335}
    return DatasetFacts(
        name="census-income",
        title="Census-Income (KDD)",
        tasks=TASKS,
        rows={"train": 199523, "validation": 49881, "test": TEST_ROWS},
        positive_rates={
            **dict.fromkeys(("train", "validation"), rates),
            "test": {"income": 67 / TEST_ROWS, "never-married": 67 / TEST_ROWS},
        },
        source="UCI, doi 10.24432/C5N30T",
        licence="CC BY 4.0",
    )


@pytest.fixture(scope="session")
def write_evaluation() -> Callable[..., Path]:
    """Return a function that writes the folder root/<model> for AUCs by task, one per seed."""

    def write(
        root: Path,
        model: str,
        aucs: Mapping[str, Sequence[float]],
        *,
        tasks: Sequence[str | None] = (None,),
        parameters: int = 1000,
        operations: int = 500,
        logits: torch.Tensor | None = None,
    ) -> Path:
        folder = root / model
        folder.mkdir(parents=True)
        seeds = list(range(len(next(iter(aucs.values())))))
        scores = {
            task: {"auc": list(auc), "logloss": [0.25] * len(auc), "ece": [0.0125] * len(auc)}
            for task, auc in aucs.items()
        }
        metrics = {
            "model": model,
            "seeds": seeds,
            "parameters": parameters,
            "operations": operations,
            "tasks": scores,
        }
        runs = [_run(seed, task, list(aucs)) for seed in seeds for task in tasks]
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "history.json").write_text(json.dumps({"runs": runs}))
        predictions = _predictions(model, len(seeds), len(aucs))
        if logits is not None:
            predictions["logits"] = logits
        save_file(predictions, folder / "predictions.safetensors")
        return folder

    return write


@pytest.fixture(scope="session")
def write_mixed(write_evaluation: Callable[..., Path]) -> Callable[[Path, str], Path]:
    """Return a function that writes an evaluation with the regression task "price"."""

    def write(root: Path, model: str) -> Path:
        aucs = {"click": [0.8, 0.9], "price": [0.5, 0.5]}
        folder = write_evaluation(root / "data/evaluation/shop/tuned", model, aucs)
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["tasks"]["price"] = {"r2": R2[model], "rmse": [12.0, 14.0], "mae": [9.0, 10.0]}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        history = json.loads((folder / "history.json").read_text())
        for epoch in (epoch for run in history["runs"] for epoch in run["epochs"]):
            epoch["r2"] = {"price": epoch["auc"].pop("price") - 1.5}
        (folder / "history.json").write_text(json.dumps(history))
        stored = load_file(folder / "predictions.safetensors")
        labels = stored["labels"].float()
        labels[:, 1] = stored["logits"][0, :, 1] / 2
        save_file({**stored, "labels": labels}, folder / "predictions.safetensors")
        return folder

    return write


@pytest.fixture(scope="session")
def shop() -> DatasetFacts:
    """The facts about the evaluations that ``write_shop`` writes."""
    return shop_facts()


@pytest.fixture(scope="session")
def write_shop(write_evaluation: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes an evaluation of `tests.report.shop`."""
    return partial(write_labels, write_evaluation)


def _run(seed: int, task: str | None, tasks: Sequence[str]) -> dict[str, Any]:
    epochs = [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "auc": {name: 0.9 + 0.01 * epoch for name in tasks if task in (None, name)},
        }
        for epoch in (1, 2, 3)
    ]
    return {"seed": seed, "task": task, "best_epoch": 2, "epochs": epochs}


def _predictions(model: str, seeds: int, tasks: int) -> dict[str, torch.Tensor]:
    labels = (2 * torch.arange(TEST_ROWS)[:, None] + torch.arange(tasks)) % 3 == 0
    generator = torch.Generator().manual_seed(sum(map(ord, model)))
    noise = torch.randn(seeds, TEST_ROWS, tasks, generator=generator)
    return {"logits": 2 * labels.float() - 1 + noise, "labels": labels.to(torch.uint8)}
