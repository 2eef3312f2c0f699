"""The report on one dataset: metrics files, validation curves, figures and the page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from emm.automtl.space import NamedArchitecture
from emm.core.errors import DataError
from emm.core.files import atomic_folder, write_text
from emm.report.architecture_figure import (
    architecture_file,
    architectures_of,
    draw_architecture,
)
from emm.report.class_figure import classes_file, draw_classes
from emm.report.curves import Curves
from emm.report.drawing import Style, styles
from emm.report.evidence import read_evidence
from emm.report.facts import DatasetFacts
from emm.report.figures import (
    TRAINING,
    calibration_file,
    draw_calibration,
    draw_roc,
    draw_training,
    roc_file,
)
from emm.report.members import read_members
from emm.report.page import page
from emm.report.remarks import starts_of
from emm.report.results import ModelResults, Run, read_results
from emm.report.stacking import read_stacking
from emm.report.students import read_students
from emm.report.summary import summarise, write_metrics
from emm.report.task_summaries import rounded
from emm.report.value_figure import draw_values, values_file

CURVES_HEADER = "task,seed,epoch,score,train_loss"


def write_report(
    evaluations: Sequence[tuple[str, Path]],
    facts: DatasetFacts,
    recipe: str,
    *,
    trained: Sequence[str],
    fused: Sequence[str],
    metrics: Path,
    plots: Path,
    report: Path,
    averages: Sequence[str] = (),
    mean: str | None = None,
) -> None:
    """Write ``metrics``/<model>.json, ``plots``/<model>.csv, the page ``report`` and its figures.

    The figures of reports/x.md are in reports/x/. All folders are replaced. Nothing is written
    unless all input is valid.

    Args:
        evaluations: (model, evaluation folder) in the order of the tables.
        trained: the single-task models that Gain is measured against.
        fused: models drawn with thick lines.
        averages: models that start as the plain average of their trained models.
        mean: the model that is the plain average of the whole pool.

    Raises:
        DataError: an evaluation is missing or unusable.
    """
    if not evaluations:
        raise DataError(
            "a report needs at least one model", next_step="fill `table` in params.yaml"
        )
    results = [
        read_results(model, folder, facts.tasks, facts.kinds) for model, folder in evaluations
    ]
    figures = report.with_suffix("")
    architectures = architectures_of(results)
    evidence = read_evidence(results, facts, starts_of(results, averages))
    summaries = summarise(results, trained, evidence.new_rows)
    looks = styles([each.name for each in results], trained, fused)
    _draw(figures, results, facts, evidence.curves, looks, architectures)
    write_metrics(metrics, summaries)
    write_curves(plots, results, facts.tasks)
    searched = list(architectures)
    pools, students = read_members(results), read_students(results, facts, mean)
    text = page(
        facts,
        recipe,
        summaries,
        trained,
        figures.name,
        searched,
        evidence,
        pools,
        students,
        read_stacking(results),
    )
    write_text(report, text)


def write_curves(folder: Path, results: Sequence[ModelResults], tasks: Sequence[str]) -> None:
    """Write <model>.csv, the validation scores per epoch, for `dvc plots diff`; replace ``folder``.

    One line per task, run and epoch. ``score``: validation AUC, or R squared of a regression task;
    ``train_loss``: that of the run, which may train several tasks.
    """
    with atomic_folder(folder) as temporary:
        for each in results:
            lines = [line for task in tasks for run in each.runs for line in _lines(run, task)]
            write_text(temporary / f"{each.name}.csv", "\n".join([CURVES_HEADER, *lines]) + "\n")


def _lines(run: Run, task: str) -> Iterator[str]:
    if run.covers(task):
        for epoch in run.epochs:
            score, loss = rounded(epoch.scores[task]), rounded(epoch.train_loss)
            yield f"{_quoted(task)},{run.seed},{epoch.epoch},{score},{loss}"


def _quoted(text: str) -> str:
    """``text`` as a field of a CSV file."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n\r') else text


def _draw(
    folder: Path,
    results: Sequence[ModelResults],
    facts: DatasetFacts,
    curves: Mapping[str, Curves],
    looks: Mapping[str, Style],
    architectures: Mapping[str, NamedArchitecture],
) -> None:
    with atomic_folder(folder) as temporary:
        for name, architecture in architectures.items():
            draw_architecture(temporary / architecture_file(name), architecture)
        draw_training(temporary / TRAINING, results, facts.tasks, looks)
        for task in facts.binary:
            draw_roc(temporary / roc_file(task), curves, task, looks)
            draw_calibration(temporary / calibration_file(task), curves, task, looks)
        for task in facts.multiclass:
            sizes = facts.class_sizes("test", task)
            draw_classes(temporary / classes_file(task), curves, task, sizes, looks)
            path = temporary / calibration_file(task)
            draw_calibration(path, curves, task, looks, predicted=f"the predicted {task}")
        for task, target in facts.targets.items():
            draw_values(temporary / values_file(task), curves, task, target, looks)
