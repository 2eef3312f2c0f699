"""history.json: the epochs of all runs of a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emm.core.files import write_json
from emm.data.tables.schema import BINARY, REGRESSION
from emm.training.epochs import Epoch, best_epoch
from emm.training.trace import TRACE, trace_of

HISTORY = "history.json"


def run_record(
    seed: int,
    tasks: Sequence[str],
    epochs: Sequence[Epoch],
    task: str | None = None,
    *,
    kinds: Sequence[str] = (),
) -> dict[str, Any]:
    """One run as plain JSON, with its ``trace`` if it has one.

    ``task``: that of a single-task model; ``kinds``: those of ``tasks``, () if all are binary.
    """
    trace = trace_of(epochs)
    return {
        "seed": seed,
        "task": task,
        **({"trace": trace} if trace else {}),
        "best_epoch": best_epoch(epochs),
        "epochs": [
            {
                "epoch": epoch.epoch,
                "train_loss": epoch.train_loss,
                **named_scores(tasks, epoch.scores, kinds),
            }
            for epoch in epochs
        ],
    }


def named_scores(
    tasks: Sequence[str], scores: Sequence[float], kinds: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """Scores by metric and task: ``auc`` of tasks of two or more classes, ``r2`` of regressions, if
    there are any."""
    each = list(zip(tasks, scores, kinds or [BINARY] * len(tasks), strict=True))
    found = {"auc": {task: score for task, score, kind in each if kind != REGRESSION}}
    if len(found["auc"]) < len(each):
        found["r2"] = {task: score for task, score, kind in each if kind == REGRESSION}
    return found


def write_history(folder: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write history.json into ``folder``, and trace.json if there are traces."""
    records = [{key: run[key] for key in run if key != "trace"} for run in runs]
    write_json(folder / HISTORY, {"runs": records})
    names = ("seed", "task", "trace")
    traces = [{name: run[name] for name in names} for run in runs if "trace" in run]
    if traces:
        write_json(folder / TRACE, {"runs": traces})
