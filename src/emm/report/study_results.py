"""A table of the study: its rows read, and each compared with the table's reference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.core.files import atomic_folder, write_json
from emm.core.paths import Paths
from emm.metrics.significance import Comparison, delong_over_seeds, holm
from emm.report.facts import DatasetFacts
from emm.report.predictions import Predictions, read_all_predictions
from emm.report.published import published_auc
from emm.report.results import ModelResults, read_results, refuse
from emm.report.study_params import StudyTableSettings
from emm.report.summary import Summary, rounded, summarise, whole

P_DIGITS = 6


@dataclass(frozen=True)
class Difference:
    """AUC of a row less that of the reference, and its p value after Holm's correction."""

    auc: float
    p: float


@dataclass(frozen=True)
class StudyResults:
    """What the study says about one row.

    ``validation``: mean over seeds of the validation score at the kept epoch, by task; ``epochs``:
    mean over runs of the epochs trained; ``differences`` by binary task, none for the reference.
    """

    summary: Summary
    validation: Mapping[str, float]
    epochs: float
    differences: Mapping[str, Difference]

    @property
    def cost(self) -> float:
        """Operations of training: epochs x operations of one row's prediction."""
        return self.epochs * self.summary.totals.operations


@dataclass(frozen=True)
class StudyTable:
    """One table: ``results`` by row, in its order; ``tasks`` in the dataset's order."""

    settings: StudyTableSettings
    tasks: tuple[str, ...]
    results: Mapping[str, StudyResults]

    @property
    def binary(self) -> tuple[str, ...]:
        """The binary tasks, which alone have DeLong's test."""
        found = next(iter(self.results.values())).summary.tasks
        return tuple(task for task in self.tasks if found[task].key == "auc")

    @property
    def summaries(self) -> dict[str, Summary]:
        """The rows' summaries, in the order of the table."""
        return {name: result.summary for name, result in self.results.items()}

    def published(self, row: str, task: str) -> float | None:
        """The published AUC that stands beside a row's own, or None where there is none."""
        return published_auc(self.settings.dataset, self.settings.published.get(row, row), task)


def read_table(params: StudyTableSettings, facts: DatasetFacts, root: Path) -> StudyTable:
    """Read all rows of a table from ``root``/data/evaluation and test them against its reference.

    Raises DataError for a row that is missing, damaged, or evaluated on other rows than the
    reference.
    """
    _check_goals(params, facts)
    rows = [
        # A borrowed row goes by its name in this table.
        replace(
            read_results(row, _folder(root, dataset, params, row), facts.tasks, facts.kinds),
            name=name,
        )
        for dataset, row, name in params.sources
    ]
    summaries = summarise(rows, params.trained)
    differences = _differences(rows, params.reference, facts)
    results = {
        row.name: StudyResults(
            summaries[row.name],
            {task: _validation(row, task) for task in facts.tasks},
            whole(rounded(fmean(max(e.epoch for e in run.epochs) for run in row.runs))),
            differences.get(row.name, {}),
        )
        for row in rows
    }
    return StudyTable(params, facts.tasks, results)


def write_study_metrics(folder: Path, tables: Mapping[str, StudyTable]) -> None:
    """Write ``folder``/<table>/<row>.json, scalars only; whatever else the folder held is gone."""
    with atomic_folder(folder) as temporary:
        for name, table in tables.items():
            for row, result in table.results.items():
                write_json(temporary / name / f"{row}.json", _flat(table, result))


def _flat(table: StudyTable, result: StudyResults) -> dict[str, object]:
    """A row's metrics; the reference's differences from itself are null."""
    flat: dict[str, object] = result.summary.flat()
    flat["epochs"] = result.epochs
    for task in table.tasks:
        found = result.differences.get(task)
        flat[f"validation_{result.summary.tasks[task].key}_{task}"] = result.validation[task]
        flat[f"difference_{task}"] = None if found is None else found.auc
        flat[f"p_value_{task}"] = None if found is None else found.p
    return flat


def _folder(root: Path, dataset: str, params: StudyTableSettings, row: str) -> Path:
    return Paths(dataset, params.recipe, root).evaluation(row)


def _check_goals(params: StudyTableSettings, facts: DatasetFacts) -> None:
    unknown = [task for task in params.goals if task not in facts.tasks]
    if unknown:
        raise DataError(
            f"a goal is for the task {unknown[0]}, which {facts.name} doesn't have",
            got=unknown[0],
            expected=", ".join(facts.tasks),
            next_step="correct `goals` in the study's params.yaml",
        )


def _differences(
    rows: list[ModelResults], reference: str, facts: DatasetFacts
) -> dict[str, dict[str, Difference]]:
    """By row and task; the predictions of the reference and one more row are in memory.

    All rows and binary tasks of the table are one family of tests.
    """
    size = facts.rows["test"], len(facts.tasks)
    bar = next(row for row in rows if row.name == reference)
    fixed = read_all_predictions(bar, *size)
    found: dict[tuple[str, str], Comparison] = {}
    for row in rows:
        if row is bar:
            continue
        predictions = read_all_predictions(row, *size)
        if not torch.equal(predictions.labels, fixed.labels):
            path = row.folder / "predictions.safetensors"
            refuse(path, "has other labels", row.name, f"those of {reference}")
        for task in facts.binary:
            t = facts.tasks.index(task)
            found[row.name, task] = delong_over_seeds(
                _scores(predictions, t), _scores(fixed, t), fixed.labels[:, t]
            )
    adjusted = holm([comparison.p for comparison in found.values()])
    by_row: dict[str, dict[str, Difference]] = {}
    for ((row_name, task), comparison), p in zip(found.items(), adjusted, strict=True):
        # Significant digits: a small p value would be 0 after so many decimals.
        tested = Difference(rounded(comparison.difference), float(f"{p:.{P_DIGITS}g}"))
        by_row.setdefault(row_name, {})[task] = tested
    return by_row


def _scores(predictions: Predictions, task: int) -> Tensor:
    return predictions.logits[:, :, task].contiguous()  # [S, N]


def _validation(row: ModelResults, task: str) -> float:
    return rounded(
        fmean(
            epoch.scores[task]
            for run in row.runs
            if run.covers(task)
            for epoch in run.epochs
            if epoch.epoch == run.best_epoch
        )
    )
