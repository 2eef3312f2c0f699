"""What a report page says about its dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emm.data.tables.schema import Schema, Target


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about one dataset, as its schema.json tells them.

    ``tasks`` are in the order of the predictions' columns; ``rows`` and ``positive_rates`` are
    keyed by split ("train", "validation", "test"), in the order to print, and the latter by binary
    task. ``kinds``: of the tasks, () if all are binary; ``targets``: of the regression tasks;
    ``means``: of their labels in their own units, by split and task. ``source`` and ``licence`` are
    sentences or links in markdown.
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
        """The binary tasks."""
        kinds = self.kinds or ("binary",) * len(self.tasks)
        return tuple(t for t, kind in zip(self.tasks, kinds, strict=True) if kind == "binary")


def facts_of(name: str, schema: Schema) -> DatasetFacts:
    """What ``schema`` tells about the dataset called ``name`` in params.yaml."""
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
            split: {task: _own(schema, task, mean) for task, mean in found.mean.items()}
            for split, found in schema.splits.items()
        },
    )


def _own(schema: Schema, task: str, standardised: float) -> float:
    target = schema.targets[task]
    return target.mean + target.std * standardised
