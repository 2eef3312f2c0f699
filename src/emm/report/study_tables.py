"""Markdown tables of the study: scores of one task, and what the rows cost."""

from emm.report.names import printed
from emm.report.study_rows import Difference, Result, StudyTable
from emm.report.tables import (
    NOTHING,
    auc_column,
    count_or_nothing,
    decimals,
    gain_column,
    markdown_table,
    signed,
)

SIGNIFICANCE = 0.05


def scores_table(table: StudyTable, task: str) -> str:
    """Test and validation AUC of one task, the difference to the reference with its p value, Gain
    and the published AUC where the table has them, log loss and calibration error."""
    results = list(table.results.values())
    reference = printed(table.params.reference)
    columns = {
        "model": [printed(name) for name in table.results],
        "test AUC": auc_column(table.summaries, task),
        "validation AUC": [decimals(result.validation[task]) for result in results],
        f"less {reference}": [_difference(result, task) for result in results],
        "p": [_p(result, task) for result in results],
    }
    if table.params.trained:
        columns["Gain"] = gain_column(table.summaries, task, table.params.trained)
    paper = [table.published(name, task) for name in table.results]
    if any(paper):
        columns["paper"] = [decimals(auc) for auc in paper]
    columns["log loss"] = [decimals(result.summary.tasks[task].logloss) for result in results]
    columns["ECE"] = [decimals(result.summary.tasks[task].ece) for result in results]
    return markdown_table(list(columns), list(zip(*columns.values(), strict=True)))


def cost_table(table: StudyTable) -> str:
    """Size, epochs and training cost of every row."""
    header = ["model", "seeds", "parameters", "operations per row", "epochs", "training cost"]
    rows = [[printed(name), *_cost(result)] for name, result in table.results.items()]
    return markdown_table(header, rows)


def p_text(p: float) -> str:
    """Two significant digits, with an asterisk below 0.05."""
    text = f"{p:.2g}" if p else "<1e-300"
    return f"{text}*" if p < SIGNIFICANCE else text


def _difference(result: Result, task: str) -> str:
    found = result.differences.get(task)
    return signed(None if found is None else found.auc)


def _p(result: Result, task: str) -> str:
    found: Difference | None = result.differences.get(task)
    return NOTHING if found is None else p_text(found.p)


def _cost(result: Result) -> list[str]:
    totals = result.summary.totals
    epochs = f"{result.epochs:.1f}".removesuffix(".0")
    return [
        str(totals.seeds),
        f"{totals.parameters:,}",
        count_or_nothing(totals.operations),
        epochs,
        count_or_nothing(result.cost),
    ]
