"""history.json: the epochs of every run that made a row of the table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emm.core.files import write_json
from emm.training.fit import Epoch, best_epoch

HISTORY = "history.json"


def run_record(
    seed: int, tasks: Sequence[str], epochs: Sequence[Epoch], task: str | None = None
) -> dict[str, Any]:
    """One run as plain JSON; ``task`` for a model of one task alone."""
    return {
        "seed": seed,
        "task": task,
        "best_epoch": best_epoch(epochs),
        "epochs": [
            {
                "epoch": epoch.epoch,
                "train_loss": epoch.train_loss,
                "auc": dict(zip(tasks, epoch.auc, strict=True)),
            }
            for epoch in epochs
        ],
    }


def write_history(folder: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write history.json into ``folder``."""
    write_json(folder / HISTORY, {"runs": list(runs)})
