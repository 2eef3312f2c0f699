"""Write all that people read about the study: metrics files, the figure, the page."""

from collections.abc import Mapping
from pathlib import Path

from emm.core.files import atomic_folder, write_text
from emm.report.facts import DatasetFacts
from emm.report.study_figure import draw_tasks
from emm.report.study_page import TASKS_FIGURE, study_page
from emm.report.study_params import StudySettings
from emm.report.study_results import read_table, write_study_metrics


def write_study(
    study: StudySettings,
    facts: Mapping[str, DatasetFacts],
    *,
    root: Path,
    metrics: Path,
    report: Path,
) -> None:
    """Write ``metrics``/<table>/<row>.json, the page ``report`` and its figures beside it.

    ``facts`` by dataset, for each that a table is about; evaluations are read from
    ``root``/data/evaluation. Both folders are replaced whole. Nothing is written unless all input
    is sound: raises DataError otherwise.
    """
    tables = {
        name: read_table(table, facts[table.dataset], root) for name, table in study.tables.items()
    }
    figures = report.with_suffix("")
    with atomic_folder(figures) as temporary:
        if study.tasks:
            draw_tasks(temporary / TASKS_FIGURE, [tables[name] for name in study.tasks])
    write_study_metrics(metrics, tables)
    write_text(report, study_page(study, facts, tables, figures.name))
