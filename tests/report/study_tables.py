"""Generated evaluations of a small study's table."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from emm.report.study_settings import StudyTableSettings

TASKS = ("income", "never-married")
SETTINGS = StudyTableSettings("One", "census-income", "tuned", ("tm-1", "mmoe", "emm"), "emm")
LABELS = (torch.arange(400).reshape(200, 2) % 3 == 0).to(torch.uint8)
Write = Callable[..., Path]


def noisy(strength: float, seeds: int = 2, draw: int | None = None) -> Tensor:
    """Logits [S, 200, 2] that rank the generated labels better the larger ``strength`` is."""
    generator = torch.Generator().manual_seed(seeds if draw is None else draw)
    return strength * LABELS.float() + torch.randn(seeds, 200, 2, generator=generator)


LOGITS = {"tm-1": noisy(0.1), "mmoe": noisy(1.0), "emm": noisy(2.0)}


def folder(root: Path, dataset: str = "census-income") -> Path:
    """Where a study's evaluations of one dataset are."""
    return root / f"data/evaluation/{dataset}/tuned"


def write_models(write_evaluation: Write, folder: Path, logits: Mapping[str, Tensor]) -> None:
    """Write an evaluation for each model's logits [S, 200, 2]."""
    for name, of_model in logits.items():
        aucs = {task: [0.95] * len(of_model) for task in TASKS}
        write_evaluation(folder, name, aucs, logits=of_model)
