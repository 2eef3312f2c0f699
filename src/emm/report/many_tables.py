"""The page about many tables: ranks, wins, ties and losses, and the scores of every table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emm.core.errors import ParamsError
from emm.core.files import atomic_folder, write_text
from emm.report.data_tables import seen_counts_sentence, split_table
from emm.report.many_columns import outcome_table, rank_table, scores_of_task, truth_table
from emm.report.many_findings import (
    Truth,
    outcome_sentences,
    rank_sentences,
    table_sentences,
    truth_sentences,
)
from emm.report.many_ranks import Ranking, Tables, outcomes, rank_tables
from emm.report.markdown import render
from emm.report.names import display_name
from emm.report.ranks_figure import draw_ranks
from emm.report.results import read_tree, refuse
from emm.report.study_differences import SIGNIFICANCE
from emm.report.study_files import StoredTable
from emm.report.study_settings import StudySettings
from emm.report.study_tables import cost_table
from emm.report.tables import new_rows_title

FIGURE = "ranks.svg"
Stored = Mapping[str, StoredTable]


def read_truth(folder: Path, known: StudySettings) -> dict[str, dict[str, float]]:
    """AUC of the true probabilities by task, of the tables that have a file in ``folder``."""
    found = dict[str, dict[str, float]]()
    for name in known.tables:
        path = folder / f"{name}.json"
        if path.is_file():
            tree: Any = read_tree(path)
            if not isinstance(tree, dict) or not all(isinstance(v, float) for v in tree.values()):
                refuse(path, "has unexpected content", tree, "an AUC by task")
            found[name] = tree
    return found


def write_many(
    study: StudySettings,
    stored: Stored,
    sources: Mapping[str, str],
    truth: Truth,
    page: Path,
    figures: Path,
) -> None:
    """Write ``page`` and the folder ``figures``, which is replaced.

    Args:
        stored: by table; the page says which tables of ``study`` it lacks.
        sources: whose rows a table has, by table.

    Raises ParamsError if the tables have different references.
    """
    tables = {name: each.table for name, each in stored.items()}
    reference = _reference(study)
    ranking = rank_tables(tables, sources, reference) if tables else None
    with atomic_folder(figures) as temporary:
        if ranking and ranking.tests:
            critical = ranking.tests.critical
            draw_ranks(temporary / FIGURE, ranking.means, critical, reference)
        else:
            (temporary / ".gitkeep").touch()  # git has no empty folders
    figure = f"{figures.relative_to(page.parent).as_posix()}/{FIGURE}"
    write_text(page, many_page(study, stored, ranking, truth, figure))


def many_page(
    study: StudySettings, stored: Stored, ranking: Ranking | None, truth: Truth, figure: str
) -> str:
    """The page's Markdown; ``figure``: the path of the figure from the page."""
    tables = {name: each.table for name, each in stored.items()}
    reference = _reference(study)
    found = outcomes(tables, ranking.models) if ranking else {}
    summaries = [table.summaries for table in tables.values()]
    return render(
        "many_tables.md.j2",
        reference=display_name(reference),
        count=len(study.tables),
        missing=[study.tables[name].title for name in study.tables if name not in stored],
        ranks=list(rank_sentences(ranking, reference)) if ranking else [],
        outcomes=list(outcome_sentences(found, reference)) if found else [],
        highest=list(table_sentences(tables)),
        truths=list(truth_sentences(tables, truth)),
        rank_table=rank_table(ranking, tables) if ranking else "",
        blocks=[_block(names, tables) for names in ranking.blocks.values() if len(names) > 1]
        if ranking
        else [],
        figure=figure if ranking and ranking.tests else "",
        outcome_table=outcome_table(found) if found else "",
        truth_table=truth_table(tables, truth),
        sections=[_section(each) for each in stored.values()],
        seeds=sorted({each.totals.seeds for of in summaries for each in of.values()}),
        new_rows=next(filter(None, map(new_rows_title, summaries)), ""),
        significance=SIGNIFICANCE,
    )


def _reference(study: StudySettings) -> str:
    found = sorted({table.reference for table in study.tables.values()})
    if len(found) > 1:
        raise ParamsError(
            "the tables are compared with different models",
            where="reference in the study's tables",
            got=", ".join(found),
            expected="one model for all of them",
            next_step="write the same `reference` for all tables",
        )
    return found[0]


def _block(names: tuple[str, ...], tables: Tables) -> str:
    return ", ".join(f'"{tables[name].settings.title}"' for name in names)


def _section(stored: StoredTable) -> dict[str, Any]:
    table = stored.table
    return {
        "settings": table.settings,
        "facts": stored.facts,
        "splits": split_table(stored.facts),
        "seen": seen_counts_sentence(stored.seen, stored.facts.rows),
        "scores": {task: scores_of_task(table, task) for task in table.tasks},
        "few": table.remarks.few,
        "starts": table.remarks.starts,
        "cost": cost_table(table),
    }
