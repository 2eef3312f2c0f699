"""The markdown page of the study: findings, data, tables, how to read and how to repeat."""

from collections.abc import Mapping
from urllib.parse import quote

from emm.report.facts import DatasetFacts
from emm.report.names import display_name, join_names
from emm.report.published import CITATION_OF_BOTH
from emm.report.study_findings import findings
from emm.report.study_params import StudySettings
from emm.report.study_results import StudyTable
from emm.report.study_tables import cost_table, scores_table
from emm.report.tables import markdown_table, seeds_phrase

TASKS_FIGURE = "tasks.svg"


def study_page(
    study: StudySettings,
    facts: Mapping[str, DatasetFacts],
    tables: Mapping[str, StudyTable],
    figures: str,
) -> str:
    """The page's text; ``figures`` is the folder of the figures as seen from the page."""
    sections = [
        "# The study",
        "The experiments of the EMM paper and our own, over several seeds. Written by "
        "`make study`; a change made here is overwritten.",
        _findings(tables),
        _data(facts, tables),
        *(_table(table) for table in tables.values()),
        *_tasks(study, figures),
        *_notes(study),
        _reading(),
        _repeating(),
    ]
    return "\n\n".join(sections) + "\n"


def _findings(tables: Mapping[str, StudyTable]) -> str:
    parts = [
        "## Findings\n\nThese sentences are computed from the tables below. Differences are in "
        "AUC, p values after Holm's correction within the table."
    ]
    for table in tables.values():
        points = "\n".join(f"- {finding}" for finding in findings(table))
        parts.append(f"**{table.params.title}**\n\n{points}")
    return "\n\n".join(parts)


def _data(facts: Mapping[str, DatasetFacts], tables: Mapping[str, StudyTable]) -> str:
    used = dict.fromkeys(table.params.dataset for table in tables.values())
    rows = [
        [f"`{name}`", split, f"{count:,}", _rates(facts[name], split)]
        for name in used
        for split, count in facts[name].rows.items()
    ]
    first = facts[next(iter(used))]
    recipes = sorted({table.params.recipe for table in tables.values()})
    return "\n\n".join(
        [
            "## Data, recipes, seeds",
            markdown_table(["dataset", "split", "rows", "positive rows"], rows),
            f"- Source: {first.source}\n- Licence: {first.licence}",
            "Models learn on train. All choices are made on validation: the epoch whose weights "
            "are kept, and hyper-parameters. A row's evaluation alone reads test, once, after all "
            "choices. The project had seen this test split before the study, though: first trials "
            "and `reports/census-income.md` were measured on it.",
            "A recipe is a set of hyper-parameters for every model. `paper`: those that the paper "
            "published. `tuned`: chosen on validation; `tuning/` has the trials of `emm tune`. "
            "EMM's elements were chosen in further trials on validation: see what was tried. "
            f"Here: {join_names([f'`{recipe}`' for recipe in recipes])}.",
            f"Every row was trained from {_seeds(tables)}.",
        ]
    )


def _table(table: StudyTable) -> str:
    params = table.params
    parts = [
        f"## {params.title}",
        f"Dataset `{params.dataset}`, recipe `{params.recipe}`; {seeds_phrase(table.summaries)}; "
        f"reference: {display_name(params.reference)}."
        + (f" {params.remark}" if params.remark else ""),
    ]
    for task in table.tasks:
        parts += [f"**{task}**", scores_table(table, task)]
    parts += ["**Size and cost**", cost_table(table)]
    return "\n\n".join(parts)


def _tasks(study: StudySettings, figures: str) -> list[str]:
    if not study.tasks:
        return []
    titles = [f'"{study.tables[name].title}"' for name in study.tasks]
    return [
        "## Number of tasks",
        f"Test AUC from the tables {join_names(titles)}; bars are one "
        "standard deviation over seeds to either side.",
        f"![Test AUC by number of tasks]({quote(f'{figures}/{TASKS_FIGURE}')})",
    ]


def _notes(study: StudySettings) -> list[str]:
    if not study.notes:
        return []
    return ["## What was tried", "\n".join(f"- {note}" for note in study.notes)]


def _reading() -> str:
    points = [
        "**Bold**: highest AUC of the column; <u>underlined</u>: second highest. ± is the standard "
        "deviation over seeds. Log loss is in nats; ECE is the expected calibration error; lower "
        "is better for both. Validation AUC is that of the kept epoch.",
        '"less ..." is the mean AUC of the row less that of the reference. p is from the paired '
        "DeLong test of the mean AUC over seeds, two-sided, after Holm's correction over all rows "
        "and tasks of the table. An asterisk marks p < 0.05.",
        "The test's standard error is the uncertainty from the test rows, given these trained "
        "models. It does not hold the uncertainty of retraining: other seeds would give other "
        "models. So read p together with the deviation over seeds.",
        "Gain: AUC less the mean AUC of the table's trained single-task models (TM).",
        f"Paper: AUC as printed in {CITATION_OF_BOTH}. It comes from another protocol: its code "
        "fits the encoders on train and test together, its validation and test halves are not "
        "ours, and it doesn't run as published. In recipe `tuned` the widths differ too.",
        "Operations: multiplications and additions of the matrix products for one row's "
        "prediction; trees have none. Epochs: mean over a model's runs, those after the kept one "
        "included (boosting: iterations; 0: nothing was trained). Training cost: epochs x "
        "operations for each row of train, forward passes alone; what it took to train the pool of "
        "a fused model is not in it.",
    ]
    return "## How to read\n\n" + "\n".join(f"- {point}" for point in points)


def _repeating() -> str:
    return (
        "## How to repeat\n\n```\nmake study   # runs what isn't up to date\n```\n\n"
        "Knobs: `study/params.yaml`; its section `study` says which rows stand in which table. "
        "The numbers of this page are in `metrics/study/`."
    )


def _rates(facts: DatasetFacts, split: str) -> str:
    rates = facts.positive_rates[split]
    return ", ".join(f"{task} {100 * rates[task]:.2f} %" for task in facts.binary)


def _seeds(tables: Mapping[str, StudyTable]) -> str:
    counts = sorted(
        {
            result.summary.totals.seeds
            for table in tables.values()
            for result in table.results.values()
        }
    )
    if counts == [1]:
        return "one seed"
    return f"{' or '.join(map(str, counts))} seeds"
