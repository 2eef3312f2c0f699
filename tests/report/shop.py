"""Evaluations of a shop: a binary task, one of classes, and a purchase; labels are missing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from emm.data.tables.schema import FORMAT, Schema, Split
from emm.metrics.funnels import funnel_metrics
from emm.metrics.tasks import task_metrics
from emm.report.facts import DatasetFacts, facts_of
from emm.report.write import write_report

TASKS, KINDS = ("click", "colour", "buy"), ("binary", "classes", "binary")
COLOURS = ("red", "green", "blue")
MODELS, ROWS, SEEDS = ("mmoe", "emm"), 400, 2
Write = Callable[..., Path]


def drawn_labels() -> Tensor:
    """[N, T]: a purchase is known after a click only; some clicks and colours are missing."""
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(5, ROWS, generator=generator)
    click = (uniform[0] < 0.5).float()
    buy = torch.where(click == 1, (uniform[1] < 0.2).float(), torch.nan)
    colour = (uniform[2] * 6).floor().clamp(max=2)
    colour[uniform[3] < 0.2] = torch.nan
    click[uniform[4] < 0.05] = buy[uniform[4] < 0.05] = torch.nan
    return torch.stack([click, colour, buy], dim=1)


def drawn_seen() -> Tensor:
    """Which rows have the features of a row of train, [N]."""
    return torch.rand(ROWS, generator=torch.Generator().manual_seed(3)) < 0.3


def with_seen(facts: DatasetFacts, test: Tensor) -> DatasetFacts:
    """The facts with ``test``, the seen rows of test, and none of validation."""
    return replace(facts, seen={"validation": torch.zeros(ROWS, dtype=torch.bool), "test": test})


def split_of(labels: Tensor) -> Split:
    known = ~labels.isnan()
    click, colour, buy = (labels[known[:, t], t] for t in range(3))
    return Split(
        len(labels),
        {"click": click.mean().item(), "buy": buy.mean().item()},
        class_rates={"colour": tuple((colour == c).float().mean().item() for c in range(3))},
        labelled=dict(zip(TASKS, known.sum(0).tolist(), strict=True)),
    )


def shop_facts() -> DatasetFacts:
    """A binary task, a task of classes, and a purchase after a click."""
    split = split_of(drawn_labels())
    schema = Schema(
        format=FORMAT,
        dataset="shop",
        title="Shop",
        licence="",
        origin="here",
        tasks=TASKS,
        key=None,
        weight=None,
        dense=(),
        sparse=(),
        splits=dict.fromkeys(("train", "validation", "test"), split),
        vocabularies={},
        kinds={"colour": "classes"},
        classes={"colour": COLOURS},
        funnel=("click", "buy"),
    )
    return facts_of("shop", schema)


def write_labels(
    write_evaluation: Write,
    root: Path,
    model: str,
    weights: Tensor | None = None,
    best_epoch: int = 2,
) -> Path:
    """Write the evaluation of a model under a root folder, with an epoch 0."""
    folder = write_evaluation(
        root / "data/evaluation/shop/tuned", model, {task: [0.9, 0.9] for task in TASKS}
    )
    labels = drawn_labels()
    generator = torch.Generator().manual_seed(len(model))
    colours = torch.nn.functional.one_hot(labels[:, 1].nan_to_num().long(), 3)
    signal = torch.column_stack([labels[:, 0], colours, labels[:, 2]]).nan_to_num(0.5)
    logits = signal + torch.randn(SEEDS, ROWS, 5, generator=generator)
    stored = {"logits": logits, "labels": labels}
    save_file(
        stored if weights is None else {**stored, "weights": weights},
        folder / "predictions.safetensors",
    )
    _replace(folder / "metrics.json", **_scores(logits, labels))
    runs = json.loads((folder / "history.json").read_text())["runs"]
    for run in runs:
        run["epochs"] = [{**run["epochs"][0], "epoch": 0}, *run["epochs"]]
        run["best_epoch"] = best_epoch
    _replace(folder / "history.json", runs=runs)
    return folder


def _scores(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    columns = dict(zip(TASKS, (logits[:, :, 0], logits[:, :, 1:4], logits[:, :, 4]), strict=True))
    known = dict(zip(TASKS, (~labels.isnan()).unbind(1), strict=True))
    tasks = {
        task: task_metrics(kind, columns[task][:, known[task]], labels[known[task], t], bins=5)
        for t, (task, kind) in enumerate(zip(TASKS, KINDS, strict=True))
    }

    def score(own: Tensor, truth: Tensor, _: Tensor) -> dict[str, list[float]]:
        return task_metrics("binary", own, truth, bins=5)

    pair = columns["click"], columns["buy"], labels[:, [0, 2]]
    return {"tasks": tasks, "funnel": funnel_metrics(*pair, score, partly_labelled=True)}


def _replace(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def report(root: Path, facts: DatasetFacts, folders: list[Path], **how: Any) -> str:
    """Write the report on evaluations; returns its page."""
    write_report(
        [(folder.name, folder) for folder in folders],
        facts,
        "tuned",
        trained=("mmoe",) if len(folders) > 1 else (),
        fused=("emm",),
        metrics=root / "metrics/shop/tuned",
        plots=root / "plots/shop/tuned",
        report=root / "reports/shop.md",
        **how,
    )
    return (root / "reports/shop.md").read_text()


def cells(text: str, section: str, row: str) -> list[str]:
    """The cells of a row of the first table of a section."""
    lines = text.split(f"## {section}\n")[1].split("\n## ")[0].splitlines()
    found = next(line for line in lines if line.startswith(f"| {row} "))
    return [cell.strip() for cell in found.split("|")[1:-1]]
