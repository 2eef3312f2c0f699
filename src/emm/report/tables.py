"""Markdown tables of results: one line per model, best in bold, second best underlined."""

from collections.abc import Mapping, Sequence

from emm.metrics.procedures import Interval
from emm.report.markdown import NOTHING, markdown_table
from emm.report.published import published_auc
from emm.report.remarks import Remarks
from emm.report.summary import Summary
from emm.report.task_summaries import AnySummary

NONE = Remarks()
NEW_ROWS = "AUC, new rows"


def score_table(
    dataset: str,
    summaries: Mapping[str, Summary],
    trained: Sequence[str],
    *,
    published: bool,
    remarks: Remarks = NONE,
) -> str:
    """Return the table of scores, with the columns of the EMM paper's Table I.

    Per task the AUC, or R squared of a regression task, with its standard deviation over several
    seeds, the interval of an AUC, the AUC of new rows, and the Gain over the ``trained`` models; a
    task of classes has its weighted AUC and accuracy, too. ``published`` adds the paper's AUCs, if
    any.
    """
    columns = [("model", [remarks.label(model) for model in summaries])]
    for task in _tasks(summaries):
        tasks = [summary.tasks[task] for summary in summaries.values()]
        columns.append((f"{task} {tasks[0].measure}", score_column(summaries, task, remarks)))
        columns += interval_columns(remarks, task, list(summaries))
        columns += new_rows_columns(summaries, task)
        columns.append(("Gain", gain_column(summaries, task, trained)))
        columns += [(name, [decimals(x.others[name]) for x in tasks]) for name in tasks[0].others]
        paper = [published_auc(dataset, model, task) for model in summaries]
        if published and any(paper):
            columns.append(("paper", [decimals(auc) for auc in paper]))
    return _table(columns)


def quality_table(summaries: Mapping[str, Summary], remarks: Remarks = NONE) -> str:
    """Return the table of log loss and ECE, or RMSE and MAE, and of size and best epoch."""
    columns = [("model", [remarks.label(model) for model in summaries])]
    for task in _tasks(summaries):
        tasks = [summary.tasks[task] for summary in summaries.values()]
        for number, name in enumerate(tasks[0].errors):
            title = name if number else f"{task} {name}"
            columns.append((title, [decimals(each.errors[name]) for each in tasks]))
    totals = [summary.totals for summary in summaries.values()]
    columns.append(("parameters", [f"{total.parameters:,}" for total in totals]))
    columns.append(("operations per row", [count_or_nothing(total.operations) for total in totals]))
    epochs = [f"{total.best_epoch:.1f}".removesuffix(".0") for total in totals]
    return _table([*columns, ("best epoch", epochs)])


def funnel_table(summaries: Mapping[str, Summary], remarks: Remarks = NONE) -> str:
    """Return the table of AUC, GAUC if any, log loss and ECE of CTR, CTCVR and CVR.

    Returns "" if the tasks don't form a funnel.
    """
    if not any(summary.funnel for summary in summaries.values()):
        return ""
    columns = [("model", [remarks.label(model) for model in summaries])]
    for name in _first(summaries).funnel:
        scores = [summary.funnel[name] for summary in summaries.values()]
        columns.append((f"{name.upper()} AUC", _means(scores, mark=name not in remarks.few)))
        columns += interval_columns(remarks, name, list(summaries))
        if scores[0].gauc is not None:
            columns.append(("GAUC", _gaucs([each.gauc for each in scores], name, remarks)))
        for error in scores[0].errors:
            columns.append((error, [decimals(each.errors[error]) for each in scores]))
    return _table(columns)


def gauc_table(summaries: Mapping[str, Summary], remarks: Remarks = NONE) -> str:
    """Return the table of GAUC of the tasks that have one; "" if none has."""
    columns = [("model", [remarks.label(model) for model in summaries])]
    for task in _tasks(summaries):
        found = [getattr(summary.tasks[task], "gauc", None) for summary in summaries.values()]
        if None not in found:
            columns.append((f"{task} GAUC", _gaucs(found, task, remarks)))
    return _table(columns) if columns[1:] else ""


def score_column(summaries: Mapping[str, Summary], task: str, remarks: Remarks = NONE) -> list[str]:
    """Return one task's score per model, with "± deviation" over several seeds.

    The scores are marked unless the task has few test rows of a class.
    """
    tasks = [summary.tasks[task] for summary in summaries.values()]
    return _means(tasks, mark=task not in remarks.few)


def interval_columns(
    remarks: Remarks, score: str, models: Sequence[str]
) -> list[tuple[str, list[str]]]:
    """Return the column of intervals of an AUC; [] if no model has one."""
    found = remarks.intervals_of(score, models)
    return [("95 %", [_range(each) for each in found])] if found else []


def new_rows_columns(summaries: Mapping[str, Summary], task: str) -> list[tuple[str, list[str]]]:
    """Return the column of a task's AUC over new rows; [] if no row is known to be new."""
    if task not in _first(summaries).new_rows:
        return []
    return [(NEW_ROWS, [decimals(each.new_rows[task]) for each in summaries.values()])]


def new_rows_title(summaries: Mapping[str, Summary]) -> str:
    """Return the title of the column of the AUC over new rows; "" if there is none."""
    return NEW_ROWS if any(each.new_rows for each in summaries.values()) else ""


def gain_column(summaries: Mapping[str, Summary], task: str, trained: Sequence[str]) -> list[str]:
    """Return one task's Gain per model; as in the paper, none for the trained models."""
    gains = {model: summary.tasks[task].score[2] for model, summary in summaries.items()}
    return [NOTHING if model in trained else signed(gain) for model, gain in gains.items()]


def measure(summaries: Mapping[str, Summary], task: str) -> str:
    """Return the score of a task: AUC or R²."""
    return _first(summaries).tasks[task].measure


def measures(summaries: Mapping[str, Summary]) -> str:
    """Return the scores of all tasks: "AUC", "R²" or "AUC or R²"."""
    return " or ".join(sorted({measure(summaries, task) for task in _tasks(summaries)}))


def marked(values: Sequence[str]) -> list[str]:
    """Mark the largest value bold and the second largest underlined, with all equal to them."""
    ranking = sorted(set(values), key=float, reverse=True)
    marks = dict(zip(ranking, ["**{}**", "<u>{}</u>"], strict=False))
    return [marks.get(value, "{}").format(value) for value in values]


def decimals(value: float | None) -> str:
    """Format with five decimals, as in the paper."""
    return NOTHING if value is None else f"{value:.5f}"


def signed(value: float | None) -> str:
    """Format with sign and five decimals; a value that rounds to zero has no sign."""
    text = NOTHING if value is None else f"{value:+.5f}"
    return "0.00000" if text in ("+0.00000", "-0.00000") else text


def count_or_nothing(value: float) -> str:
    """Format as a whole number with separators, and 0 as ``NOTHING``."""
    return f"{value:,.0f}" if value else NOTHING


def seeds_phrase(summaries: Mapping[str, Summary]) -> str:
    """Say how many seeds a table is about: one, or "mean ± standard deviation over ..."."""
    counts = {summary.totals.seeds for summary in summaries.values()}
    if counts == {1}:
        return "one seed, for these trained models"
    seeds = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
    return f"mean ± standard deviation over {seeds} seeds"


def _means(tasks: Sequence[AnySummary], *, mark: bool) -> list[str]:
    scores = [task.score for task in tasks]
    means = [decimals(mean) for mean, _, _ in scores]
    spreads = ["" if std is None else f" ± {decimals(std)}" for _, std, _ in scores]
    pairs = zip(marked(means) if mark else means, spreads, strict=True)
    return [mean + spread for mean, spread in pairs]


def _gaucs(values: Sequence[float | None], score: str, remarks: Remarks) -> list[str]:
    texts = [decimals(each) for each in values]
    return texts if score in remarks.few else marked(texts)


def _range(interval: Interval | None) -> str:
    return NOTHING if interval is None else f"[{interval.low:.4f}, {interval.high:.4f}]"


def _table(columns: Sequence[tuple[str, Sequence[str]]]) -> str:
    header = [title for title, _ in columns]
    return markdown_table(header, list(zip(*(cells for _, cells in columns), strict=True)))


def _first(summaries: Mapping[str, Summary]) -> Summary:
    return next(iter(summaries.values()))


def _tasks(summaries: Mapping[str, Summary]) -> list[str]:
    return list(_first(summaries).tasks)
