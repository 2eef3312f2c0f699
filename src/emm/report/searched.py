"""The report on searched models: compared with others, and the architectures that were found."""

from collections.abc import Mapping
from pathlib import Path

from emm.automtl.space import NamedArchitecture
from emm.core.files import atomic_folder, write_text
from emm.core.paths import Paths
from emm.report.architecture_figure import architecture_file, architectures_of, draw_architecture
from emm.report.data_tables import seen_sentence, split_table
from emm.report.facts import DatasetFacts
from emm.report.markdown import render
from emm.report.results import read_results
from emm.report.study_differences import SIGNIFICANCE
from emm.report.study_results import StudyTable, read_tables, write_study_metrics
from emm.report.study_settings import StudySettings, StudyTableSettings
from emm.report.study_tables import mean_table, table_section


def write_searched(
    study: StudySettings,
    facts: Mapping[str, DatasetFacts],
    *,
    root: Path,
    settings: Path,
    metrics: Path,
    report: Path,
) -> None:
    """Write ``metrics``/<table>/<model>.json, the page ``report`` and a figure per architecture.

    Reads the evaluations in ``root``/data/evaluation. Nothing is written unless all input is valid.

    Args:
        facts: by dataset.
        settings: the file that ``study`` was read from, for the page.

    Raises:
        DataError: an evaluation is missing or unusable.
        ModelFileError: an architecture is unusable.
    """
    tables = read_tables(study, facts, root)
    found = {
        name: _architectures(table, facts[table.dataset], root)
        for name, table in study.tables.items()
    }
    figures = report.with_suffix("")
    with atomic_folder(figures) as temporary:
        for name, architectures in found.items():
            for model, architecture in architectures.items():
                draw_architecture(temporary / architecture_file(f"{name}-{model}"), architecture)
    write_study_metrics(metrics, tables)
    write_text(report, searched_page(study, facts, tables, found, figures.name, settings))


def searched_page(
    study: StudySettings,
    facts: Mapping[str, DatasetFacts],
    tables: Mapping[str, StudyTable],
    found: Mapping[str, Mapping[str, NamedArchitecture]],
    figures: str,
    settings: Path,
) -> str:
    """Return the page's Markdown.

    Args:
        found: architectures by table and model.
        figures: folder of the figures, relative to the page.
    """
    sections = [
        {
            **table_section(table),
            "splits": split_table(facts[table.settings.dataset]),
            "seen": seen_sentence(facts[table.settings.dataset]),
            "mean": mean_table(table),
            "architectures": {model: architecture_file(f"{name}-{model}") for model in found[name]},
        }
        for name, table in tables.items()
    ]
    return render(
        "searched.md.j2",
        tables=sections,
        new_rows=next((each["new_rows"] for each in sections if each["new_rows"]), ""),
        significance=SIGNIFICANCE,
        notes=study.notes,
        figures=figures,
        settings=settings,
    )


def _architectures(
    table: StudyTableSettings, facts: DatasetFacts, root: Path
) -> dict[str, NamedArchitecture]:
    """The architectures of a table's models, by model."""
    return architectures_of(
        [
            read_results(
                model,
                Paths(dataset, table.recipe, root).evaluation(model),
                facts.tasks,
                facts.kinds,
            )
            for dataset, model, _ in table.sources
        ]
    )
