"""plots/<dataset>/<recipe>/<model>.csv: validation scores per epoch, for `dvc plots diff`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from emm.core.files import atomic_folder, write_text
from emm.report.results import ModelResults, Run
from emm.report.summary import rounded

HEADER = "task,seed,epoch,score,train_loss"


def write_histories(folder: Path, rows: Sequence[ModelResults], tasks: Sequence[str]) -> None:
    """Write one <model>.csv for each row; whatever else the folder held is gone.

    A line is an epoch of a run as one task saw it: ``score`` is its validation AUC, or R squared of
    a regression task, and ``train_loss`` that of the run, which may be of several tasks.
    """
    with atomic_folder(folder) as temporary:
        for row in rows:
            lines = [line for task in tasks for run in row.runs for line in _lines(run, task)]
            write_text(temporary / f"{row.name}.csv", "\n".join([HEADER, *lines]) + "\n")


def _lines(run: Run, task: str) -> Iterator[str]:
    if run.covers(task):
        for epoch in run.epochs:
            score, loss = rounded(epoch.scores[task]), rounded(epoch.train_loss)
            yield f"{_quoted(task)},{run.seed},{epoch.epoch},{score},{loss}"


def _quoted(text: str) -> str:
    """A field of a CSV file."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n\r') else text
