"""The page that compares searched models with others, and shows what was found for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from emm.automtl.space import NamedArchitecture
from emm.core.files import atomic_folder, write_text
from emm.core.paths import Paths
from emm.report.architecture_figure import (
    LEGEND,
    architecture_file,
    architectures_of,
    draw_architecture,
    pictures,
)
from emm.report.facts import DatasetFacts
from emm.report.names import display_name
from emm.report.results import read_results
from emm.report.study_params import StudySettings, StudyTableSettings
from emm.report.study_results import StudyTable, read_table, write_study_metrics
from emm.report.study_tables import cost_table, mean_table, scores_table
from emm.report.tables import markdown_table, seeds_phrase

_READING = (
    f"Pictures: {LEGEND[0].lower()}{LEGEND[1:]}",
    "± is the standard deviation over seeds; **bold**: highest test AUC of the column, "
    "<u>underlined</u>: second highest. Validation AUC is that of the kept epoch.",
    '"less ..." is the mean AUC of the row less that of the reference. p is from the paired DeLong '
    "test of the mean AUC over seeds, two-sided, after Holm's correction over all rows and tasks "
    "of the table; an asterisk marks p < 0.05. The test knows the uncertainty from the test rows, "
    "not that of retraining: read it together with the deviation over seeds.",
    "One search, with one seed, found the architecture, and every seed trained it. The deviation "
    "holds nothing of what another search would have found.",
    "Train alone decided what a search found, validation chose the kept epoch, and evaluation read "
    "test once.",
)


def write_searched(
    study: StudySettings,
    facts: Mapping[str, DatasetFacts],
    *,
    root: Path,
    settings: Path,
    metrics: Path,
    report: Path,
) -> None:
    """Write ``metrics``/<table>/<row>.json, the page ``report``, and the architectures beside it.

    ``facts`` by dataset; ``settings``: the file that names the rows; evaluations are read from
    ``root``/data/evaluation. Nothing is written unless all input is sound: raises DataError, and
    ModelFileError for an architecture.
    """
    tables = {
        name: read_table(table, facts[table.dataset], root) for name, table in study.tables.items()
    }
    found = {
        name: _architectures(name, table, facts[table.dataset], root)
        for name, table in study.tables.items()
    }
    figures = report.with_suffix("")
    with atomic_folder(figures) as temporary:
        for architectures in found.values():
            for row, architecture in architectures.items():
                draw_architecture(temporary / architecture_file(row), architecture)
    write_study_metrics(metrics, tables)
    sections = [
        "# Searched models\n\nWritten by `stages/report_searched.py`: changes are overwritten.",
        *(
            _table(name, table, facts[table.params.dataset], list(found[name]), figures.name)
            for name, table in tables.items()
        ),
        *(["## What was tried\n\n" + _listed(study.notes)] if study.notes else []),
        "## How to read\n\n" + _listed(_READING),
        _repeating(study, found, settings),
    ]
    write_text(report, "\n\n".join(sections) + "\n")


def _architectures(
    name: str, table: StudyTableSettings, facts: DatasetFacts, root: Path
) -> dict[str, NamedArchitecture]:
    """The architectures of a table's rows, by table and row."""
    rows = [
        read_results(
            row, Paths(dataset, table.recipe, root).evaluation(row), facts.tasks, facts.kinds
        )
        for dataset, row, _ in table.sources
    ]
    return {f"{name}-{row}": own for row, own in architectures_of(rows).items()}


def _table(
    name: str, table: StudyTable, facts: DatasetFacts, searched: Sequence[str], figures: str
) -> str:
    params = table.params
    header = ["split", "rows", *(f"{task} positive" for task in facts.binary)]
    rows = [
        [
            split,
            f"{count:,}",
            *(f"{100 * facts.positive_rates[split][t]:.2f} %" for t in facts.binary),
        ]
        for split, count in facts.rows.items()
    ]
    parts = [
        f"## {params.title}",
        f"Dataset `{params.dataset}`, recipe `{params.recipe}`; {seeds_phrase(table.summaries)}; "
        f"reference: {display_name(params.reference)}."
        + (f" {params.remark}" if params.remark else ""),
        markdown_table(header, rows),
    ]
    for task in table.tasks:
        parts += [f"**{task}**", scores_table(table, task)]
    if over_tasks := mean_table(table):
        parts += ["**Mean over tasks**", over_tasks]
    parts += ["**Size and cost**", cost_table(table)]
    titles = {row: display_name(row.removeprefix(f"{name}-")) for row in searched}
    return "\n\n".join([*parts, *pictures(titles, figures)])


def _listed(points: Sequence[str]) -> str:
    return "\n".join(f"- {point}" for point in points)


def _repeating(
    study: StudySettings, found: Mapping[str, Mapping[str, NamedArchitecture]], settings: Path
) -> str:
    lines = []
    for name, table in study.tables.items():
        searched = [row for row in table.rows if f"{name}-{row}" in found[name]]
        others = [row for row in table.rows if row not in searched]
        where = f"{table.dataset} $model --params {settings} --recipe {table.recipe}"
        lines += [
            "for stage in download preprocess check_data; do",
            f"  python stages/$stage.py {table.dataset} --params {settings}",
            "done",
            f"for model in {' '.join(others)}; do",
            f"  python stages/train.py {where}",
            "done",
            f"for model in {' '.join(searched)}; do",
            f"  python stages/search.py {where}",
            f"  python stages/train_searched.py {where}",
            "done",
            f"for model in {' '.join(table.rows)}; do",
            f"  python stages/evaluate.py {where}",
            "done",
        ]
    lines.append(f"python stages/report_searched.py --params {settings}")
    return "## How to repeat\n\n```\n" + "\n".join(lines) + f"\n```\n\nKnobs: `{settings}`."
