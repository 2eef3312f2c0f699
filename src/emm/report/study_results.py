"""The results of a study's table, each model compared with the table's reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from emm.core.errors import DataError
from emm.core.files import atomic_folder, write_json
from emm.core.paths import Paths
from emm.metrics.significance import Comparison, holm
from emm.metrics.uncertainty import compare_aucs
from emm.report.facts import DatasetFacts, few_of_tasks
from emm.report.predictions import (
    Predictions,
    read_predictions,
    require_same_rows,
    rows_by_task,
)
from emm.report.published import published_auc
from emm.report.remarks import Intervals, Remarks, intervals_of, starts_of
from emm.report.results import ModelResults, read_results
from emm.report.study_settings import StudyTableSettings
from emm.report.summary import Summary, as_whole, summarise
from emm.report.task_summaries import rounded

P_DIGITS = 6


@dataclass(frozen=True)
class Difference:
    """AUC minus that of the reference, and its p value after Holm's correction."""

    auc: float
    p: float


@dataclass(frozen=True)
class StudyResults:
    """A model's results in a study.

    Args:
        validation: validation score of the kept epoch, as mean over seeds, by task.
        epochs: number of trained epochs, as mean over runs.
        differences: from the reference, by task that is scored by its AUC; empty for the
            reference.
    """

    summary: Summary
    validation: Mapping[str, float]
    epochs: float
    differences: Mapping[str, Difference]

    @property
    def cost(self) -> float:
        """Training cost per training row: epochs x operations of one prediction."""
        return self.epochs * self.summary.totals.operations


@dataclass(frozen=True)
class StudyTable:
    """A study's table: ``results`` by model, in the table's order; ``tasks`` in the dataset's.

    ``weighted``: whether the rows are weighted in the metrics.
    """

    settings: StudyTableSettings
    tasks: tuple[str, ...]
    results: Mapping[str, StudyResults]
    remarks: Remarks = field(default_factory=Remarks)
    weighted: bool = False

    @property
    def by_auc(self) -> tuple[str, ...]:
        """The tasks that are scored by their AUC; only these have intervals and a test."""
        found = next(iter(self.results.values())).summary.tasks
        return tuple(task for task in self.tasks if found[task].key == "auc")

    @property
    def summaries(self) -> dict[str, Summary]:
        """The models' summaries, in the order of the table."""
        return {name: result.summary for name, result in self.results.items()}

    def published(self, model: str, task: str) -> float | None:
        """Return the published AUC to compare a model's with, or None."""
        published = self.settings.published.get(model, model)
        return published_auc(self.settings.dataset, published, task)


def read_table(settings: StudyTableSettings, facts: DatasetFacts, root: Path) -> StudyTable:
    """Read a table's evaluations from ``root``/data/evaluation and test against its reference.

    Raises DataError if an evaluation is missing, unusable, or on other test rows than the
    reference's.
    """
    _check_goals(settings, facts)
    models = [
        _read(Paths(dataset, settings.recipe, root).evaluation(model), model, name, facts)
        for dataset, model, name in settings.sources
    ]
    summaries = summarise(models, settings.trained)
    reference = next(model for model in models if model.name == settings.reference)
    bar = read_predictions(reference, facts)
    differences, intervals = _differences(models, reference, bar, facts)
    results = {
        model.name: StudyResults(
            summaries[model.name],
            {task: _validation(model, task) for task in facts.tasks},
            as_whole(rounded(fmean(max(e.epoch for e in run.epochs) for run in model.runs))),
            differences.get(model.name, {}),
        )
        for model in models
    }
    remarks = Remarks(intervals, few_of_tasks(facts), starts_of(models, ()))
    return StudyTable(settings, facts.tasks, results, remarks, bar.weights is not None)


def write_study_metrics(folder: Path, tables: Mapping[str, StudyTable]) -> None:
    """Write ``folder``/<table>/<model>.json with scalars only; ``folder`` is replaced."""
    with atomic_folder(folder) as temporary:
        for name, table in tables.items():
            for model, results in table.results.items():
                write_json(temporary / name / f"{model}.json", _flat(table, results))


def _flat(table: StudyTable, results: StudyResults) -> dict[str, object]:
    """Metrics of a model; the reference's differences from itself are null."""
    flat: dict[str, object] = results.summary.flat()
    flat["epochs"] = results.epochs
    for task in table.tasks:
        found = results.differences.get(task)
        flat[f"validation_{results.summary.tasks[task].key}_{task}"] = results.validation[task]
        flat[f"difference_{task}"] = None if found is None else found.auc
        flat[f"p_value_{task}"] = None if found is None else found.p
    return flat


def _read(folder: Path, model: str, name: str, facts: DatasetFacts) -> ModelResults:
    """Read the evaluation of ``model``, which this table calls ``name``."""
    return replace(read_results(model, folder, facts.tasks, facts.kinds), name=name)


def _check_goals(settings: StudyTableSettings, facts: DatasetFacts) -> None:
    unknown = [task for task in settings.goals if task not in facts.tasks]
    if unknown:
        raise DataError(
            f"a goal is for the task {unknown[0]}, which {facts.name} doesn't have",
            got=unknown[0],
            expected=", ".join(facts.tasks),
            next_step="correct `goals` in the study's settings",
        )


def _differences(
    models: Sequence[ModelResults],
    reference: ModelResults,
    bar: Predictions,
    facts: DatasetFacts,
) -> tuple[dict[str, dict[str, Difference]], dict[str, Intervals]]:
    """Test every other model against the reference, whose predictions are ``bar``.

    Returns differences by model and task, and the intervals of all models. All models and tasks of
    the table are one family of tests. Only the predictions of the reference and one more model are
    in memory at a time.
    """
    reference_rows = rows_by_task(bar, facts)
    found: dict[tuple[str, str], Comparison] = {}
    intervals: dict[str, Intervals] = {}
    for model in models:
        rows = reference_rows
        if model.name != reference.name:
            predictions = read_predictions(model, facts)
            require_same_rows(model, predictions, reference, bar)
            rows = rows_by_task(predictions, facts)
            for task in facts.by_auc:
                found[model.name, task] = compare_aucs(rows[task], reference_rows[task])
        intervals[model.name] = intervals_of(rows, facts.by_auc)
    return _adjusted(found), intervals


def _adjusted(found: Mapping[tuple[str, str], Comparison]) -> dict[str, dict[str, Difference]]:
    """Differences by model and task, after Holm's correction."""
    adjusted = holm([comparison.p for comparison in found.values()])
    by_model: dict[str, dict[str, Difference]] = {}
    for ((name, task), comparison), p in zip(found.items(), adjusted, strict=True):
        # Significant digits: with decimals, small p values would become 0.
        tested = Difference(rounded(comparison.difference), float(f"{p:.{P_DIGITS}g}"))
        by_model.setdefault(name, {})[task] = tested
    return by_model


def _validation(results: ModelResults, task: str) -> float:
    return rounded(
        fmean(
            epoch.scores[task]
            for run in results.runs
            if run.covers(task)
            for epoch in run.epochs
            if epoch.epoch == run.best_epoch
        )
    )
