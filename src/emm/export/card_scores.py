"""What a model card says of test scores: those of the exported seed, and their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeVar

from emm.core.errors import DataError
from emm.metrics.procedures import Interval
from emm.report.facts import DatasetFacts
from emm.report.markdown import NOTHING, markdown_table
from emm.report.new_rows import aucs_of_new_rows
from emm.report.predictions import Predictions, read_predictions, rows_by_step, rows_by_task
from emm.report.remarks import intervals_of
from emm.report.results import AnyScores, Evaluation, ModelResults, read_results
from emm.report.summary import Summary, summarise
from emm.report.tables import decimals
from emm.report.task_summaries import AnySummary, per_seed, rounded

Kind = TypeVar("Kind", bound=AnyScores)

_TYPES = {
    "auc": ("roc_auc", "AUC"),
    "r2": ("r_squared", "R²"),
    "logloss": ("log_loss", "log loss"),
    "ece": ("expected_calibration_error", "expected calibration error"),
    "accuracy": ("accuracy", "accuracy"),
    "rmse": ("rmse", "RMSE"),
    "mae": ("mae", "MAE"),
}
"""Types and names of the metrics in the card's metadata, by their key in a metrics file."""


@dataclass(frozen=True)
class CardScores:
    """Test scores of one seed.

    ``intervals``: of the AUCs by task and by step of the funnel; ``means``: predicted and observed
    rate by binary task; ``seeds``: the evaluation of all seeds; ``weighted``: whether the rows are
    weighted.
    """

    summary: Summary
    intervals: Mapping[str, Interval | None]
    means: Mapping[str, tuple[float, float]]
    seeds: Evaluation
    weighted: bool = False


def card_scores(model: str, folder: Path, facts: DatasetFacts, seed: int) -> CardScores:
    """The scores that `evaluate` wrote to ``folder``. Raises DataError if ``seed`` has none."""
    results = read_results(model, folder, facts.tasks, facts.kinds)
    seeds = results.evaluation.seeds
    if seed not in seeds:
        raise DataError(
            f"seed {seed} of {model} has not been evaluated",
            where=folder,
            got=", ".join(map(str, seeds)),
            next_step="dvc repro evaluate, or export one of these seeds",
        )
    number = seeds.index(seed)
    all_seeds = read_predictions(results, facts)
    logits = all_seeds.logits[number : number + 1]
    predictions = Predictions(logits, all_seeds.labels, all_seeds.weights)
    tasks, steps = rows_by_task(predictions, facts), rows_by_step(predictions, facts)
    one = _only(results, number)
    new_rows = {model: aucs_of_new_rows(predictions, facts)}
    return CardScores(
        summarise([one], (), new_rows)[model],
        intervals_of(tasks, facts.by_auc) | intervals_of(steps, steps),
        {task: _rates(predictions, facts, task) for task in facts.binary},
        results.evaluation,
        predictions.weights is not None,
    )


def score_tables(scores: CardScores, facts: DatasetFacts) -> list[str]:
    """The tables of scores: tasks with an AUC, regressions, and the steps of a funnel."""
    tasks, tables = scores.summary.tasks, []
    if facts.by_auc:
        rows = [_auc_row(scores, facts, task) for task in facts.by_auc]
        header = ["task", "test rows", "AUC", "95 %", "log loss", "ECE", "mean", "observed"]
        new = scores.summary.new_rows
        if new:
            header.insert(4, "AUC, new rows")
            for row, task in zip(rows, facts.by_auc, strict=True):
                row.insert(4, decimals(new[task]))
        tables.append(markdown_table(header, rows))
    if facts.targets:
        errors = [[t, _rows(facts, t), *_values(tasks[t])] for t in facts.targets]
        tables.append(markdown_table(["task", "test rows", "R²", "RMSE", "MAE"], errors))
    if scores.summary.funnel:
        steps = [
            [name.upper(), decimals(each.auc), _range(scores.intervals.get(name)), *_errors(each)]
            for name, each in scores.summary.funnel.items()
        ]
        tables.append(markdown_table(["step", "AUC", "95 %", "log loss", "ECE"], steps))
    return tables


def seeds_sentence(scores: CardScores) -> str:
    """What other seeds of the same settings gave; "" for one seed."""
    if len(scores.seeds.seeds) < 2:
        return ""
    parts = [
        f"{task} {scores.summary.tasks[task].measure} {fmean(each):.5f} ± {stdev(each):.5f}"
        for task, own in scores.seeds.tasks.items()
        if (each := per_seed(own))
    ]
    return (
        f"The same settings with {len(scores.seeds.seeds)} seeds, this one among them, have as "
        f"mean ± standard deviation: {', '.join(parts)}."
    )


def metadata(scores: CardScores) -> dict[str, list[dict[str, object]]]:
    """The metrics of each task as the metadata of a model card lists them."""
    return {
        task: [
            {"type": _TYPES[key][0], "name": _TYPES[key][1], "value": rounded(getattr(own, key))}
            for key in _TYPES
            if hasattr(own, key)
        ]
        for task, own in scores.summary.tasks.items()
    }


def _only(results: ModelResults, number: int) -> ModelResults:
    """The results of one seed."""
    evaluation = results.evaluation
    seed = evaluation.seeds[number]
    one = replace(
        evaluation,
        seeds=(seed,),
        tasks={task: _of_seed(own, number) for task, own in evaluation.tasks.items()},
        funnel={step: _of_seed(own, number) for step, own in evaluation.funnel.items()},
    )
    runs = tuple(run for run in results.runs if run.seed == seed)
    return replace(results, evaluation=one, runs=runs)


def _of_seed(scores: Kind, number: int) -> Kind:
    own: Any = scores
    values = {each.name: getattr(scores, each.name) for each in fields(scores)}
    one = {name: None if value is None else (value[number],) for name, value in values.items()}
    found: Kind = replace(own, **one)
    return found


def _rates(predictions: Predictions, facts: DatasetFacts, task: str) -> tuple[float, float]:
    """Mean predicted probability and share of positives of a binary task's labelled rows."""
    rows = rows_by_task(predictions, facts)[task]
    predicted, observed = rows.predictions[0].double().sigmoid(), rows.labels.double()
    if rows.weights is None:
        return float(predicted.mean()), float(observed.mean())
    weights = rows.weights.double() / rows.weights.double().sum()
    return float(weights @ predicted), float(weights @ observed)


def _auc_row(scores: CardScores, facts: DatasetFacts, task: str) -> list[str]:
    own, means = scores.summary.tasks[task], scores.means.get(task)
    rates = [NOTHING, NOTHING] if means is None else [f"{each:.4f}" for each in means]
    score = [decimals(own.score[0]), _range(scores.intervals.get(task))]
    return [task, _rows(facts, task), *score, *_errors(own), *rates]


def _values(summary: AnySummary) -> list[str]:
    return [decimals(summary.score[0]), *_errors(summary)]


def _errors(summary: AnySummary) -> list[str]:
    return [*map(decimals, summary.errors.values())]


def _rows(facts: DatasetFacts, task: str) -> str:
    return f"{facts.labelled_rows('test', task):,}"


def _range(interval: Interval | None) -> str:
    return NOTHING if interval is None else f"[{interval.low:.4f}, {interval.high:.4f}]"
