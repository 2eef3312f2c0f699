"""The study's report: the figure and the page, from the tables' files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emm.core.files import atomic_folder, write_text
from emm.report.data_tables import label_text, seen_counts_sentence
from emm.report.facts import DatasetFacts
from emm.report.markdown import markdown_table, render
from emm.report.published import CITATION_OF_BOTH
from emm.report.study_differences import FEWEST_SEEDS, SIGNIFICANCE
from emm.report.study_figure import draw_tasks
from emm.report.study_files import StoredTable
from emm.report.study_findings import findings
from emm.report.study_settings import StudySettings
from emm.report.study_tables import table_section
from emm.report.tables import new_rows_title

TASKS_FIGURE = "tasks.svg"
Stored = Mapping[str, StoredTable]


def write_study(study: StudySettings, stored: Stored, report: Path) -> None:
    """Write the page ``report`` and the folder of its figures, which is replaced.

    Args:
        stored: by table; the page says which tables of ``study`` it lacks.
    """
    figures = report.with_suffix("")
    with atomic_folder(figures) as temporary:
        compared = [stored[name].table for name in study.tasks if name in stored]
        if compared:
            draw_tasks(temporary / TASKS_FIGURE, compared)
        else:
            (temporary / ".gitkeep").touch()  # git has no empty folders
    write_text(report, study_page(study, stored, figures.name))


def study_page(study: StudySettings, stored: Stored, figures: str) -> str:
    """Return the page's Markdown; ``figures`` is the figures' folder, relative to the page."""
    tables = [each.table for each in stored.values()]
    by_dataset = {each.facts.name: each for each in stored.values()}
    facts = {name: each.facts for name, each in by_dataset.items()}
    seen = {n: seen_counts_sentence(s.seen, s.facts.rows) for n, s in by_dataset.items()}
    seeds = {s.totals.seeds for table in tables for s in table.summaries.values()}
    return render(
        "study.md.j2",
        tables=[_section(name, study, stored) for name in study.tables],
        names=[f"`{name}`" for name in study.tables],
        primary=_primary(study, stored),
        significance=SIGNIFICANCE,
        fewest_seeds=FEWEST_SEEDS,
        split_table=_split_table(facts) if facts else "",
        seen_rows={name: sentence for name, sentence in seen.items() if sentence},
        new_rows=next(filter(None, (new_rows_title(t.summaries) for t in tables)), ""),
        facts=next(iter(facts.values()), None),
        recipes=[f"`{each}`" for each in sorted({table.settings.recipe for table in tables})],
        seed_counts=sorted(seeds),
        compared=_titles(study, [name for name in study.tasks if name in stored]),
        not_compared=_titles(study, [name for name in study.tasks if name not in stored]),
        notes=study.notes,
        citation=CITATION_OF_BOTH,
        figures=figures,
        tasks_file=TASKS_FIGURE,
    )


def _section(name: str, study: StudySettings, stored: Stored) -> dict[str, Any]:
    """What the page says about one table, which may have no file."""
    if name not in stored:
        return {"settings": study.tables[name], "missing": True}
    table = stored[name].table
    return {**table_section(table), "findings": findings(table), "missing": False}


def _primary(study: StudySettings, stored: Stored) -> dict[str, Any] | None:
    """What the page says about the primary family; None if none is declared."""
    if study.primary is None:
        return None
    settings = study.tables[study.primary.table]
    about = {"title": settings.title, "reference": settings.reference}
    found = stored.get(study.primary.table)
    family = found and found.table.family
    if not family:
        return {**about, "against": study.primary.against, "missing": True}
    return {**about, **vars(family), "decides": family.decides, "missing": False}


def _titles(study: StudySettings, names: Sequence[str]) -> list[str]:
    return [f'"{study.tables[name].title}"' for name in names]


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
