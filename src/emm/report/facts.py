"""The facts about a dataset that a report page states."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from emm.data.tables.schema import BINARY, CLASSES, InferredColumn, Schema, Target

FEW = 50
"""With fewer test rows of a class than this, the ranking of the models is mostly chance."""
MUCH_SEEN = 0.01
"""With a larger share of seen rows in test, the AUC of the other rows is reported, too."""


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about one dataset, taken from its schema.json.

    Args:
        name: the dataset's name in params.yaml.
        tasks: in the order of the predictions' columns.
        rows: number of rows by split ("train", "validation", "test"), in the order of the page.
        positive_rates: share of positive rows by split and binary task.
        source: a sentence or a link in Markdown, as is ``licence``.
        kinds: kind of each task; () if all are binary.
        targets: mean and standard deviation of the label by regression task.
        means: mean label in its own units by split and regression task.
        classes: names of the classes by task of classes.
        class_rates: share of each class by split and task of classes.
        labelled: number of labelled rows by split and task; empty if no label is missing.
        outputs: number of predictions of each task; () if each has one.
        steps: numbers of the funnel's tasks; () without a funnel.
        inferred: the columns whose kind preprocessing inferred.
        seen: which rows of validation and test have the features of a row of train, as bool [N] by
            split; empty if that isn't known.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    rows: Mapping[str, int]
    positive_rates: Mapping[str, Mapping[str, float]]
    source: str
    licence: str
    kinds: tuple[str, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=dict)
    means: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    class_rates: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    labelled: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    outputs: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    inferred: tuple[InferredColumn, ...] = ()
    seen: Mapping[str, Tensor] = field(default_factory=dict, compare=False)

    @property
    def all_kinds(self) -> tuple[str, ...]:
        """Kind of each task, in the order of ``tasks``."""
        return self.kinds or (BINARY,) * len(self.tasks)

    @property
    def binary(self) -> tuple[str, ...]:
        """The binary tasks, in the order of ``tasks``."""
        return self._of_kind(BINARY)

    @property
    def multiclass(self) -> tuple[str, ...]:
        """The tasks of classes, in the order of ``tasks``."""
        return self._of_kind(CLASSES)

    @property
    def by_auc(self) -> tuple[str, ...]:
        """The tasks that are scored by their AUC, in the order of ``tasks``."""
        return tuple(task for task in self.tasks if task in (*self.binary, *self.multiclass))

    @property
    def partly_labelled(self) -> bool:
        """Whether the label of any task is missing in any row."""
        return bool(self.labelled)

    @property
    def new_rows(self) -> Tensor | None:
        """Which rows of test have features that train lacks, [N]; None if almost all have."""
        if self.seen_rows("test") <= MUCH_SEEN * self.rows["test"]:
            return None
        return ~self.seen["test"]

    def seen_rows(self, split: str) -> int:
        """Number of rows with the features of a row of train."""
        return int(self.seen[split].sum()) if split in self.seen else 0

    def labelled_rows(self, split: str, task: str) -> int:
        """Number of rows with a label of a task."""
        return self.labelled.get(split, {}).get(task, self.rows[split])

    def class_sizes(self, split: str, task: str) -> dict[str, int]:
        """Number of rows of each class of a task; the classes of a binary task are named
        "positives" and "negatives"."""
        rows = self.labelled_rows(split, task)
        if task in self.classes:
            rates = self.class_rates[split][task]
            return {
                name: round(rate * rows)
                for name, rate in zip(self.classes[task], rates, strict=True)
            }
        positives = round(self.positive_rates[split][task] * rows)
        return {"positives": positives, "negatives": rows - positives}

    def _of_kind(self, kind: str) -> tuple[str, ...]:
        pairs = zip(self.tasks, self.all_kinds, strict=True)
        return tuple(task for task, found in pairs if found == kind)


def facts_of(name: str, schema: Schema) -> DatasetFacts:
    """Collect the facts about dataset ``name`` from its schema."""
    return DatasetFacts(
        name=name,
        title=schema.title,
        tasks=schema.tasks,
        rows={split: found.rows for split, found in schema.splits.items()},
        positive_rates={split: found.positive_rate for split, found in schema.splits.items()},
        source=schema.origin,
        licence=schema.licence,
        kinds=schema.task_kinds,
        targets=schema.targets,
        means={
            split: {task: _original(schema, task, mean) for task, mean in found.mean.items()}
            for split, found in schema.splits.items()
        },
        classes=schema.classes,
        class_rates={split: found.class_rates for split, found in schema.splits.items()},
        labelled={s: found.labelled for s, found in schema.splits.items() if found.labelled},
        outputs=schema.outputs,
        steps=schema.steps,
        inferred=schema.inferred,
    )


def few_of_tasks(facts: DatasetFacts) -> dict[str, str]:
    """The tasks with fewer than FEW test rows of a class, and how many: "12 positives"."""
    found = {}
    for task in facts.by_auc:
        name, rows = min(facts.class_sizes("test", task).items(), key=lambda item: item[1])
        if rows < FEW:
            label = f"rows of the class `{name}`" if task in facts.multiclass else name
            found[task] = _count(rows, label)
    return found


def few_of_steps(facts: DatasetFacts) -> dict[str, str]:
    """The steps of the funnel with fewer than FEW positives in test, and how many."""
    if not facts.steps:
        return {}
    click, conversion = (
        facts.class_sizes("test", facts.tasks[step])["positives"] for step in facts.steps
    )
    found = {"ctr": click, "ctcvr": conversion, "cvr": conversion}
    return {step: _count(rows, "positives") for step, rows in found.items() if rows < FEW}


def _count(rows: int, of: str) -> str:
    """Such as "12 positives"; one is "1 positive"."""
    first, *rest = of.split(" ", 1)
    return " ".join([f"{rows:,}", first.removesuffix("s") if rows == 1 else first, *rest])


def _original(schema: Schema, task: str, standardised: float) -> float:
    """A standardised label in its own units."""
    target = schema.targets[task]
    return target.mean + target.std * standardised
