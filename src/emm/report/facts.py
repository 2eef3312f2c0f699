"""The facts about a dataset that a report page states."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emm.data.tables.schema import Schema, Target


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about one dataset, taken from its schema.json.

    Args:
        name: the dataset's name in params.yaml.
        tasks: in the order of the predictions' columns.
        rows: number of rows by split ("train", "validation", "test"), in the order of the page.
        positive_rates: share of positive rows by split and binary task.
        source: a sentence or a link in Markdown, as is ``licence``.
        kinds: "binary" or "regression" for each task; () if all are binary.
        targets: mean and standard deviation of the label by regression task.
        means: mean label in its own units by split and regression task.
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

    @property
    def binary(self) -> tuple[str, ...]:
        """The binary tasks, in the order of ``tasks``."""
        kinds = self.kinds or ("binary",) * len(self.tasks)
        return tuple(t for t, kind in zip(self.tasks, kinds, strict=True) if kind == "binary")


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
    )


def _original(schema: Schema, task: str, standardised: float) -> float:
    """A standardised label in its own units."""
    target = schema.targets[task]
    return target.mean + target.std * standardised
