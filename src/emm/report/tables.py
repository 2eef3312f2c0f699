"""Markdown tables in the paper's layout: one row per model, best in bold, second underlined."""

from collections.abc import Mapping, Sequence

from emm.report.facts import DatasetFacts
from emm.report.markdown import NOTHING, markdown_table
from emm.report.names import display_name
from emm.report.published import published_auc
from emm.report.summary import RegressionSummary, Summary, TaskSummary


def split_table(facts: DatasetFacts) -> str:
    """Rows of each split, with the share of positives of each binary task, or the mean of a
    regression task's label in its own units."""
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
    """Table I's layout: per task the AUC, or R squared of a regression task (with its deviation
    over seeds, if any), and the Gain.

    ``published`` adds the paper's AUC where the paper has the dataset's task.
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
    """Log loss and calibration error per task, or RMSE and MAE; then size and best epoch."""
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
    """AUC, log loss and calibration error of CTR, CTCVR and CVR, and GAUC where there is one.

    Returns "" if the tasks are no funnel.
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
    """GAUC of each task that has one; "" if none has."""
    header, columns = ["model"], [[display_name(model) for model in summaries]]
    for task in _tasks(summaries):
        found = [getattr(summary.tasks[task], "gauc", None) for summary in summaries.values()]
        if None not in found:
            header.append(f"{task} GAUC")
            columns.append(marked([decimals(each) for each in found]))
    return markdown_table(header, list(zip(*columns, strict=True))) if header[1:] else ""


def score_column(summaries: Mapping[str, Summary], task: str) -> list[str]:
    """Score of one task for all models, marked, with "± deviation" over several seeds."""
    return _marked_means([summary.tasks[task] for summary in summaries.values()])


def gain_column(summaries: Mapping[str, Summary], task: str, trained: Sequence[str]) -> list[str]:
    """Gain of one task; none for the trained models themselves, as in the paper."""
    gains = {model: summary.tasks[task].score[2] for model, summary in summaries.items()}
    return [NOTHING if model in trained else signed(gain) for model, gain in gains.items()]


def measure(summaries: Mapping[str, Summary], task: str) -> str:
    """What a task is scored by: AUC or R²."""
    return _first(summaries).tasks[task].measure


def measures(summaries: Mapping[str, Summary]) -> str:
    """What the tasks of a table are scored by: "AUC", "R²" or "AUC or R²"."""
    return " or ".join(sorted({measure(summaries, task) for task in _tasks(summaries)}))


def marked(values: Sequence[str]) -> list[str]:
    """The largest number in bold and the next smaller one underlined; equal texts share a mark."""
    ranking = sorted(set(values), key=float, reverse=True)
    marks = dict(zip(ranking, ["**{}**", "<u>{}</u>"], strict=False))
    return [marks.get(value, "{}").format(value) for value in values]


def decimals(value: float | None) -> str:
    """Five decimals, as in the paper."""
    return NOTHING if value is None else f"{value:.5f}"


def signed(value: float | None) -> str:
    """Five decimals with a sign; what rounds to zero has none."""
    text = NOTHING if value is None else f"{value:+.5f}"
    return "0.00000" if text in ("+0.00000", "-0.00000") else text


def count_or_nothing(value: float) -> str:
    """A whole number with separators; none for 0."""
    return f"{value:,.0f}" if value else NOTHING


def seeds_phrase(summaries: Mapping[str, Summary]) -> str:
    """How the numbers of a table come about: "one seed" or "mean ± standard deviation over ..."."""
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
