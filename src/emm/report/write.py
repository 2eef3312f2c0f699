"""Write all that people read about one dataset: metrics files, figures, page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from emm.automtl.space import NamedArchitecture
from emm.core.errors import DataError
from emm.core.files import atomic_folder, write_text
from emm.report.architecture_figure import (
    architecture_file,
    architectures_of,
    draw_architecture,
)
from emm.report.curves import read_curves
from emm.report.drawing import styles
from emm.report.facts import DatasetFacts
from emm.report.figures import (
    TRAINING,
    calibration_file,
    draw_calibration,
    draw_roc,
    draw_training,
    roc_file,
)
from emm.report.histories import write_histories
from emm.report.page import page
from emm.report.results import ModelResults, read_results
from emm.report.summary import summarise, write_metrics
from emm.report.value_figure import draw_values, values_file


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
) -> None:
    """Write ``metrics``/<model>.json, ``plots``/<model>.csv, the page ``report`` and its figures in
    the folder beside it.

    ``evaluations`` are (model, evaluation folder) in the order of the table. The ``trained`` rows
    are the bar for Gain; ``fused`` rows are drawn thick. The figures of reports/x.md are in
    reports/x/. All folders are replaced whole. Nothing is written unless all input is sound:
    raises DataError otherwise.
    """
    if not evaluations:
        raise DataError("a report needs at least one row", next_step="fill `table` in params.yaml")
    rows = [read_results(model, folder, facts.tasks, facts.kinds) for model, folder in evaluations]
    summaries = summarise(rows, trained)
    figures = report.with_suffix("")
    architectures = architectures_of(rows)
    _draw(figures, rows, facts, trained, fused, architectures)
    write_metrics(metrics, summaries)
    write_histories(plots, rows, facts.tasks)
    write_text(report, page(facts, recipe, summaries, trained, figures.name, list(architectures)))


def _draw(
    folder: Path,
    rows: Sequence[ModelResults],
    facts: DatasetFacts,
    trained: Sequence[str],
    fused: Sequence[str],
    architectures: Mapping[str, NamedArchitecture],
) -> None:
    curves = read_curves(rows, facts.tasks, facts.rows["test"])
    looks = styles([row.name for row in rows], trained, fused)
    with atomic_folder(folder) as temporary:
        for name, architecture in architectures.items():
            draw_architecture(temporary / architecture_file(name), architecture)
        draw_training(temporary / TRAINING, rows, facts.tasks, looks)
        for task in facts.binary:
            draw_roc(temporary / roc_file(task), curves, task, looks)
            draw_calibration(temporary / calibration_file(task), curves, task, looks)
        for task, target in facts.targets.items():
            draw_values(temporary / values_file(task), curves, task, target, looks)
