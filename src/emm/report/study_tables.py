"""Markdown tables of a study: scores per task, their means, and sizes and costs."""

from statistics import fmean
from typing import Any

from emm.report.facts import FEW
from emm.report.markdown import NOTHING, markdown_table
from emm.report.names import display_name
from emm.report.study_differences import SIGNIFICANCE, Difference
from emm.report.study_results import StudyResults, StudyTable
from emm.report.tables import (
    count_or_nothing,
    decimals,
    gain_column,
    interval_columns,
    marked,
    measure,
    new_rows_columns,
    new_rows_title,
    score_column,
    seeds_phrase,
    signed,
)

PRIMARY = "p, primary"
TRAINED_MODELS = "†"  # marks a p value that isn't about the procedure
EQUAL_SEEDS = "(equal)"


def table_section(table: StudyTable) -> dict[str, Any]:
    """Return the variables of study_table.md.j2, the section of a page about one table."""
    return {
        "settings": table.settings,
        "seeds": seeds_phrase(table.summaries),
        "splits": "",
        "seen": "",
        "new_rows": new_rows_title(table.summaries),
        "scores": {task: scores_table(table, task) for task in table.tasks},
        "mean": "",
        "cost": cost_table(table),
        "few": table.remarks.few,
        "fewest": FEW,
        "starts": table.remarks.starts,
        "weighted": table.weighted,
        "compared": bool(table.by_auc) and len(table.results) > 1,
        "primary": PRIMARY if table.family and table.family.decides else "",
        "trained_models": TRAINED_MODELS if _any_of_trained_models(table) else "",
        "equal_seeds": EQUAL_SEEDS if _any_equal_seeds(table) else "",
    }


def scores_table(table: StudyTable, task: str) -> str:
    """Return the table of one task.

    Test AUC with its interval, that of new rows, validation AUC, difference from the reference with
    its interval and p values, Gain and published AUC if there are any, log loss and ECE; of a task
    of classes weighted AUC and accuracy, too. A regression task has R squared, RMSE and MAE
    instead, and neither intervals nor differences nor p values.
    """
    results = list(table.results.values())
    reference = display_name(table.settings.reference)
    scored_by = measure(table.summaries, task)
    columns = {
        "model": [table.remarks.label(name) for name in table.results],
        f"test {scored_by}": score_column(table.summaries, task, table.remarks),
        **dict(interval_columns(table.remarks, task, list(table.results))),
        **dict(new_rows_columns(table.summaries, task)),
        f"validation {scored_by}": [decimals(result.validation[task]) for result in results],
    }
    if task in table.by_auc:
        found = [result.differences.get(task) for result in results]
        columns[f"less {reference}"] = [_difference(each) for each in found]
        columns["95 % of the difference"] = [_interval(each) for each in found]
        columns["p"] = [_p(each) for each in found]
        if table.family and table.family.decides:
            columns[PRIMARY] = [_primary(each) for each in found]
    if table.settings.trained:
        columns["Gain"] = gain_column(table.summaries, task, table.settings.trained)
    paper = [table.published(name, task) for name in table.results]
    if any(paper):
        columns["paper"] = [decimals(auc) for auc in paper]
    for name in results[0].summary.tasks[task].others:
        columns[name] = [decimals(each.summary.tasks[task].others[name]) for each in results]
    for name in results[0].summary.tasks[task].errors:
        columns[name] = [decimals(each.summary.tasks[task].errors[name]) for each in results]
    return markdown_table(list(columns), list(zip(*columns.values(), strict=True)))


def mean_table(table: StudyTable) -> str:
    """Return the table of mean AUC over tasks, on test and validation.

    Returns "" unless there are several tasks, all of them scored by their AUC.
    """
    if len(table.tasks) < 2 or set(table.tasks) != set(table.by_auc):
        return ""
    test = [summary.totals.mean_score for summary in table.summaries.values()]
    validation = [fmean(result.validation.values()) for result in table.results.values()]
    reference = test[list(table.results).index(table.settings.reference)]
    texts = [decimals(auc) for auc in test]
    columns = {
        "model": [table.remarks.label(name) for name in table.results],
        "test AUC": texts if table.remarks.few else marked(texts),
        "validation AUC": [decimals(auc) for auc in validation],
        f"less {display_name(table.settings.reference)}": [
            NOTHING if name == table.settings.reference else signed(auc - reference)
            for name, auc in zip(table.results, test, strict=True)
        ],
    }
    return markdown_table(list(columns), list(zip(*columns.values(), strict=True)))


def cost_table(table: StudyTable) -> str:
    """Return the table of size, epochs and training cost."""
    header = ["model", "seeds", "parameters", "operations per row", "epochs", "training cost"]
    rows = [[table.remarks.label(name), *_cost(result)] for name, result in table.results.items()]
    return markdown_table(header, rows)


def p_text(p: float) -> str:
    """Format a p value with two significant digits."""
    return f"{p:.2g}" if p else "<1e-300"


def _difference(found: Difference | None) -> str:
    return signed(None if found is None else found.auc)


def _interval(found: Difference | None) -> str:
    if found is None:
        return NOTHING
    return "[" + ", ".join(signed(end) for end in found.estimate.interval) + "]"


def _p(found: Difference | None) -> str:
    if found is None:
        return NOTHING
    return p_text(found.estimate.p) + ("" if found.estimate.of_procedure else TRAINED_MODELS)


def _primary(found: Difference | None) -> str:
    """The p value of the primary family, with an asterisk if it is significant."""
    if found is None or found.primary is None:
        return NOTHING
    return p_text(found.primary) + ("*" if found.primary < SIGNIFICANCE else "")


def _any_of_trained_models(table: StudyTable) -> bool:
    differences = (
        each for result in table.results.values() for each in result.differences.values()
    )
    return any(not each.estimate.of_procedure for each in differences)


def _any_equal_seeds(table: StudyTable) -> bool:
    return any(result.deterministic for result in table.results.values())


def _cost(result: StudyResults) -> list[str]:
    totals = result.summary.totals
    epochs = f"{result.epochs:.1f}".removesuffix(".0")
    return [
        f"{totals.seeds} {EQUAL_SEEDS}" if result.deterministic else str(totals.seeds),
        f"{totals.parameters:,}",
        count_or_nothing(totals.operations),
        epochs,
        count_or_nothing(result.cost),
    ]
