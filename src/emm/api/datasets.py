"""Processed data, as the stage `preprocess` writes it, for use in a program."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from emm.core.errors import choose
from emm.data.tables.memory import open_splits
from emm.data.tables.rows import Rows
from emm.training.context import TrainingContext, open_context
from emm.training.settings import TrainingSettings


@dataclass(frozen=True)
class Dataset:
    """Processed data in a folder: its splits, and what identifies their encoding.

    Test is opened only when it is asked for.
    """

    folder: Path
    context: TrainingContext
    memory_gib: float | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of the labels."""
        return self.context.schema.tasks

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the processed columns, dense ones first, as models read them."""
        schema = self.context.schema
        return (*schema.dense_names, *schema.sparse_names)

    @cached_property
    def test(self) -> Rows:
        """The rows of test."""
        context = self.context
        return open_splits(
            self.folder, ("test",), context.schema, context.device, memory_gib=self.memory_gib
        )["test"]

    def split(self, name: str) -> Rows:
        """The rows of train, validation or test."""
        known: Sequence[str] = ("train", "validation", "test")
        choose("split", name, known, self.folder, "name one of these")
        return self.test if name == "test" else getattr(self.context, name)

    def task_number(self, task: str) -> int:
        """Place of a task among the labels; ParamsError if there is no such task."""
        choose("task", task, self.tasks, self.folder, "name one of these")
        return self.tasks.index(task)

    def outputs_of(self, task: str) -> int:
        """Number of logits of a task: that of its classes, 1 for a binary or regression task."""
        return len(self.context.schema.classes.get(task, ("",)))


def load_dataset(
    folder: str | Path,
    *,
    device: str = "auto",
    threads: int = 1,
    memory_gib: float | None = None,
) -> Dataset:
    """Open processed data.

    Args:
        folder: what the stage `preprocess` wrote, such as data/processed/census-income.
        device: auto, cpu, cuda, cuda:1, ...
        threads: CPU threads of a training run.
        memory_gib: memory for train and validation; None: two thirds of what is free. What doesn't
            fit is streamed.

    Raises DataError if the folder doesn't hold processed data.
    """
    settings = TrainingSettings(device=device, threads=threads)
    return Dataset(Path(folder), open_context(Path(folder), "", settings, memory_gib), memory_gib)
