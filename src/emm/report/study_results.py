"""The results of a study's table, each model compared with the table's reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isinf
from pathlib import Path
from statistics import fmean

from emm.core.errors import DataError
from emm.core.files import atomic_folder, write_json
from emm.core.paths import Paths
from emm.metrics.procedures import Estimate
from emm.report.facts import DatasetFacts, few_of_tasks
from emm.report.published import published_auc
from emm.report.remarks import Remarks, starts_of
from emm.report.results import ModelResults, read_results
from emm.report.study_differences import Difference, Family, decide, read_differences
from emm.report.study_settings import StudySettings, StudyTableSettings
from emm.report.summary import Summary, as_whole, summarise
from emm.report.task_summaries import rounded

P_DIGITS = 6


@dataclass(frozen=True)
class StudyResults:
    """A model's results in a study.

    Args:
        validation: validation score of the kept epoch, as mean over seeds, by task.
        epochs: number of trained epochs, as mean over runs.
        differences: from the reference, by task that is scored by its AUC; empty for the
            reference.
        deterministic: whether all seeds predict the same, so that they count as one.
    """

    summary: Summary
    validation: Mapping[str, float]
    epochs: float
    differences: Mapping[str, Difference]
    deterministic: bool = False

    @property
    def cost(self) -> float:
        """Training cost per training row: epochs x operations of one prediction."""
        return self.epochs * self.summary.totals.operations


@dataclass(frozen=True)
class StudyTable:
    """A study's table: ``results`` by model, in the table's order; ``tasks`` in the dataset's.

    ``weighted``: whether the rows are weighted in the metrics; ``family``: the primary family if it
    is about this table.
    """

    settings: StudyTableSettings
    tasks: tuple[str, ...]
    results: Mapping[str, StudyResults]
    remarks: Remarks = field(default_factory=Remarks)
    weighted: bool = False
    family: Family | None = None

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


def read_tables(
    study: StudySettings, facts: Mapping[str, DatasetFacts], root: Path
) -> dict[str, StudyTable]:
    """Read the evaluations of all tables from ``root``/data/evaluation; ``facts`` are by dataset.

    Raises DataError like `read_table`.
    """
    return {
        name: read_table(
            table, facts[table.dataset], root, pool=study.pool, against=study.against(name)
        )
        for name, table in study.tables.items()
    }


def read_table(
    settings: StudyTableSettings,
    facts: DatasetFacts,
    root: Path,
    *,
    pool: Sequence[str] = (),
    against: tuple[str, ...] = (),
) -> StudyTable:
    """Read a table's evaluations from ``root``/data/evaluation and compare with its reference.

    Args:
        pool: see `StudySettings`.
        against: the models of the primary family.

    Raises DataError if an evaluation is missing, unusable, or on other test rows than the
    reference's.
    """
    _check_goals(settings, facts)
    models = [
        _read(Paths(dataset, settings.recipe, root).evaluation(model), model, name, facts)
        for dataset, model, name in settings.sources
    ]
    reference = next(model for model in models if model.name == settings.reference)
    found = read_differences(models, reference, facts, settings.in_pool(pool))
    found = decide(found, models, reference.name, against)
    summaries = summarise(models, settings.trained, found.new_rows)
    results = {
        model.name: StudyResults(
            summaries[model.name],
            {task: _validation(model, task) for task in facts.tasks},
            as_whole(rounded(fmean(max(e.epoch for e in run.epochs) for run in model.runs))),
            found.by_model.get(model.name, {}),
            model.name in found.deterministic,
        )
        for model in models
    }
    remarks = Remarks(found.intervals, few_of_tasks(facts), starts_of(models, ()))
    return StudyTable(settings, facts.tasks, results, remarks, found.weighted, found.family)


def write_study_metrics(folder: Path, tables: Mapping[str, StudyTable]) -> None:
    """Write ``folder``/<table>/<model>.json with scalars only; ``folder`` is replaced."""
    with atomic_folder(folder) as temporary:
        for name, table in tables.items():
            write_table_metrics(temporary / name, table)


def write_table_metrics(folder: Path, table: StudyTable) -> None:
    """Write ``folder``/<model>.json with scalars only; ``folder`` is replaced."""
    with atomic_folder(folder) as temporary:
        for model, results in table.results.items():
            write_json(temporary / f"{model}.json", _flat(table, results))


def _flat(table: StudyTable, results: StudyResults) -> dict[str, object]:
    """Metrics of a model; the reference's differences from itself are null."""
    flat: dict[str, object] = results.summary.flat()
    flat["epochs"] = results.epochs
    for task in table.tasks:
        flat[f"validation_{results.summary.tasks[task].key}_{task}"] = results.validation[task]
        found = _flat_difference(results.differences.get(task))
        flat.update({f"{name}_{task}": value for name, value in found.items()})
    return flat


def _flat_difference(found: Difference | None) -> dict[str, float | None]:
    """A difference as scalars; null is what isn't known, and infinitely many degrees of freedom."""
    if found is None:
        return dict.fromkeys(_flat_difference(Difference(Estimate(0.0, 0.0, None, inf))))
    each = found.estimate
    numbers = {
        "difference": found.auc,
        "difference_low": each.interval.low,
        "difference_high": each.interval.high,
        "standard_error_rows": each.rows_error,
        "standard_error_seeds": each.seeds_error,
        "degrees_of_freedom": None if isinf(each.degrees_of_freedom) else each.degrees_of_freedom,
    }
    p_values = {
        "p_procedure": each.p if each.of_procedure else None,
        "p_trained_models": each.p_of_rows,
        "p_primary": found.primary,
    }
    return {
        **{name: None if value is None else rounded(value) for name, value in numbers.items()},
        # Significant digits: with decimals, small p values would become 0.
        **{n: None if p is None else float(f"{p:.{P_DIGITS}g}") for n, p in p_values.items()},
    }


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
