"""Markdown tables of results: one line per model, best in bold, second best underlined."""

from collections.abc import Mapping, Sequence

from emm.report.facts import DatasetFacts
from emm.report.markdown import NOTHING, markdown_table
from emm.report.names import display_name
from emm.report.published import published_auc
from emm.report.summary import RegressionSummary, Summary, TaskSummary


def split_table(facts: DatasetFacts) -> str:
    """Return the table of splits: rows, and positives by binary task or mean by regression task."""
    kinds = {task: "positive" if task in facts.binary else "mean" for task in facts.tasks}
    header = ["split", "rows", *(f"{task} {kind}" for task, kind in kinds.items())]
    rows = [
        [split, f"{count:,}", *(_typical(facts, split, task) for task in facts.tasks)]
        for split, count in facts.rows.items()
    ]
    return markdown_table(header, rows)


def score_table(
    dataset: str, summaries: Mapping[str, Summary], trained: Sequence[str], *, published: bool
) -> str:
    """Return the table of scores, with the columns of the EMM paper's Table I.

    Per task the AUC, or R squared of a regression task, with its standard deviation over several
    seeds, and the Gain over the ``trained`` models. ``published`` adds the paper's AUCs, if any.
    """
    header, columns = ["model"], [[display_name(model) for model in summaries]]
    for task in _tasks(summaries):
        header += [f"{task} {measure(summaries, task)}", "Gain"]
        columns += [score_column(summaries, task), gain_column(summaries, task, trained)]
        paper = [published_auc(dataset, model, task) for model in summaries]
        if published and any(paper):
            header.append("paper")
            columns.append([decimals(auc) for auc in paper])
    return markdown_table(header, list(zip(*columns, strict=True)))


def quality_table(summaries: Mapping[str, Summary]) -> str:
    """Return the table of log loss and ECE, or RMSE and MAE, and of size and best epoch."""
    header, columns = ["model"], [[display_name(model) for model in summaries]]
    for task in _tasks(summaries):
        first, *others = errors = _first(summaries).tasks[task].errors
        header += [f"{task} {first}", *others]
        for name in errors:
            columns.append([decimals(each.tasks[task].errors[name]) for each in summaries.values()])
    totals = [summary.totals for summary in summaries.values()]
    header += ["parameters", "operations per row", "best epoch"]
    columns.append([f"{total.parameters:,}" for total in totals])
    columns.append([count_or_nothing(total.operations) for total in totals])
    columns.append([f"{total.best_epoch:.1f}".removesuffix(".0") for total in totals])
    return markdown_table(header, list(zip(*columns, strict=True)))


def funnel_table(summaries: Mapping[str, Summary]) -> str:
    """Return the table of AUC, GAUC if any, log loss and ECE of CTR, CTCVR and CVR.

    Returns "" if the tasks don't form a funnel.
    """
    if not any(summary.funnel for summary in summaries.values()):
        return ""
    header, columns = ["model"], [[display_name(model) for model in summaries]]
    for name in _first(summaries).funnel:
        scores = [summary.funnel[name] for summary in summaries.values()]
        header.append(f"{name.upper()} AUC")
        columns.append(_marked_means(scores))
        if scores[0].gauc is not None:
            header.append("GAUC")
            columns.append(marked([decimals(each.gauc) for each in scores]))
        for error in scores[0].errors:
            header.append(error)
            columns.append([decimals(each.errors[error]) for each in scores])
    return markdown_table(header, list(zip(*columns, strict=True)))


def gauc_table(summaries: Mapping[str, Summary]) -> str:
    """Return the table of GAUC of the tasks that have one; "" if none has."""
    header, columns = ["model"], [[display_name(model) for model in summaries]]
    for task in _tasks(summaries):
        found = [getattr(summary.tasks[task], "gauc", None) for summary in summaries.values()]
        if None not in found:
            header.append(f"{task} GAUC")
            columns.append(marked([decimals(each) for each in found]))
    return markdown_table(header, list(zip(*columns, strict=True))) if header[1:] else ""


def score_column(summaries: Mapping[str, Summary], task: str) -> list[str]:
    """Return one task's score per model, marked, with "± deviation" over several seeds."""
    return _marked_means([summary.tasks[task] for summary in summaries.values()])


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
    """Say how many seeds a table is about: "one seed", or "mean ± standard deviation over ..."."""
    counts = sorted({summary.totals.seeds for summary in summaries.values()})
    if counts == [1]:
        return "one seed"
    return f"mean ± standard deviation over {' to '.join(map(str, counts))} seeds"


def _marked_means(tasks: Sequence[TaskSummary | RegressionSummary]) -> list[str]:
    scores = [task.score for task in tasks]
    means = marked([decimals(mean) for mean, _, _ in scores])
    spreads = ["" if std is None else f" ± {decimals(std)}" for _, std, _ in scores]
    return [mean + spread for mean, spread in zip(means, spreads, strict=True)]


def _first(summaries: Mapping[str, Summary]) -> Summary:
    return next(iter(summaries.values()))


def _tasks(summaries: Mapping[str, Summary]) -> list[str]:
    return list(_first(summaries).tasks)


def _typical(facts: DatasetFacts, split: str, task: str) -> str:
    if task in facts.binary:
        return f"{100 * facts.positive_rates[split][task]:.2f} %"
    return f"{facts.means[split][task]:.5g}"
