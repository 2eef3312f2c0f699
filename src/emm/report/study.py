"""The study's report: metrics files, the figure and the page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emm.core.files import atomic_folder, write_text
from emm.report.data_tables import label_text, seen_sentence
from emm.report.facts import DatasetFacts
from emm.report.markdown import markdown_table, render
from emm.report.published import CITATION_OF_BOTH
from emm.report.study_differences import FEWEST_SEEDS, SIGNIFICANCE
from emm.report.study_figure import draw_tasks
from emm.report.study_findings import findings
from emm.report.study_results import StudyTable, read_tables, write_study_metrics
from emm.report.study_settings import StudySettings
from emm.report.study_tables import table_section
from emm.report.tables import new_rows_title

TASKS_FIGURE = "tasks.svg"


def write_study(
    study: StudySettings,
    facts: Mapping[str, DatasetFacts],
    *,
    root: Path,
    metrics: Path,
    report: Path,
) -> None:
    """Write ``metrics``/<table>/<model>.json, the page ``report`` and the folder of its figures.

    Reads the evaluations in ``root``/data/evaluation. Both folders are replaced. Nothing is written
    unless all input is valid.

    Args:
        facts: by dataset, for each that a table is about.

    Raises:
        DataError: an evaluation is missing or unusable.
    """
    tables = read_tables(study, facts, root)
    figures = report.with_suffix("")
    with atomic_folder(figures) as temporary:
        if study.tasks:
            draw_tasks(temporary / TASKS_FIGURE, [tables[name] for name in study.tasks])
    write_study_metrics(metrics, tables)
    write_text(report, study_page(study, facts, tables, figures.name))


def study_page(
    study: StudySettings,
    facts: Mapping[str, DatasetFacts],
    tables: Mapping[str, StudyTable],
    figures: str,
) -> str:
    """Return the page's Markdown; ``figures`` is the figures' folder, relative to the page."""
    datasets = list(dict.fromkeys(table.settings.dataset for table in tables.values()))
    recipes = sorted({table.settings.recipe for table in tables.values()})
    seeds = {s.totals.seeds for table in tables.values() for s in table.summaries.values()}
    return render(
        "study.md.j2",
        tables=[{**table_section(table), "findings": findings(table)} for table in tables.values()],
        primary=_primary(tables),
        significance=SIGNIFICANCE,
        fewest_seeds=FEWEST_SEEDS,
        split_table=_split_table({name: facts[name] for name in datasets}),
        seen_rows={n: seen_sentence(facts[n]) for n in datasets if seen_sentence(facts[n])},
        new_rows=next(filter(None, (new_rows_title(t.summaries) for t in tables.values())), ""),
        facts=facts[datasets[0]],
        recipes=[f"`{recipe}`" for recipe in recipes],
        seed_counts=sorted(seeds),
        compared=[f'"{study.tables[name].title}"' for name in study.tasks],
        notes=study.notes,
        citation=CITATION_OF_BOTH,
        figures=figures,
        tasks_file=TASKS_FIGURE,
    )


def _primary(tables: Mapping[str, StudyTable]) -> dict[str, Any] | None:
    """What the page says about the primary family; None if no table has it."""
    for table in tables.values():
        if table.family:
            settings, family = table.settings, table.family
            about = {"title": settings.title, "reference": settings.reference}
            return {**about, **vars(family), "decides": family.decides}
    return None


def _split_table(facts: Mapping[str, DatasetFacts]) -> str:
    rows = [
        [f"`{name}`", split, f"{count:,}", _labels(each, split)]
        for name, each in facts.items()
        for split, count in each.rows.items()
    ]
    classes = any(each.multiclass for each in facts.values())
    header = "positive rows, or classes" if classes else "positive rows"
    return markdown_table(["dataset", "split", "rows", header], rows)


def _labels(facts: DatasetFacts, split: str) -> str:
    return "; ".join(_label(facts, split, task) for task in facts.by_auc)


def _label(facts: DatasetFacts, split: str, task: str) -> str:
    text = f"{task} {label_text(facts, split, task)}"
    if not facts.partly_labelled:
        return text
    return f"{text} of {facts.labelled_rows(split, task):,} labelled"
