"""The markdown page of one dataset: data, tables, figures, how to read and how to repeat."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from emm.report.architecture_figure import architecture_sections
from emm.report.facts import DatasetFacts
from emm.report.figures import TRAINING, calibration_file, roc_file
from emm.report.names import display_name, join_names
from emm.report.published import CITATION, PUBLISHED
from emm.report.summary import Summary
from emm.report.tables import (
    funnel_table,
    gauc_table,
    markdown_table,
    measures,
    quality_table,
    score_table,
    seeds_phrase,
)
from emm.report.value_figure import values_file


def page(
    facts: DatasetFacts,
    recipe: str,
    summaries: Mapping[str, Summary],
    trained: Sequence[str],
    figures: str,
    searched: Sequence[str] = (),
) -> str:
    """The page's text; ``figures`` is the folder of the figures as seen from the page;
    ``searched``: rows whose architecture is drawn there."""
    sections = [
        f"# {facts.title}",
        f"Recipe `{recipe}`. Written by `dvc repro`; a change made here is overwritten.",
        _data(facts),
        _results(facts, summaries, trained),
        *_within_groups(summaries),
        *_funnel(summaries),
        _quality(summaries),
        *architecture_sections(searched, figures),
        _figures(facts, figures, summaries),
        _reading(facts, summaries, trained),
        _repeating(facts, recipe),
    ]
    return "\n\n".join(sections) + "\n"


def _data(facts: DatasetFacts) -> str:
    what = {task: "positive" if task in facts.binary else "mean" for task in facts.tasks}
    header = ["split", "rows", *(f"{task} {word}" for task, word in what.items())]
    rows = [
        [split, f"{count:,}", *(_typical(facts, split, task) for task in facts.tasks)]
        for split, count in facts.rows.items()
    ]
    table = markdown_table(header, rows)
    said = {"Source": facts.source, "Licence": facts.licence}
    lines = "".join(f"\n- {name}: {text}" for name, text in said.items() if text)
    return f"## Data\n\n{table}\n{lines}".rstrip()


def _results(facts: DatasetFacts, summaries: Mapping[str, Summary], trained: Sequence[str]) -> str:
    table = score_table(facts.name, summaries, trained, published=True)
    paper = f" Paper: AUC as printed in {CITATION}." if facts.name in PUBLISHED else ""
    return (
        f"## Results\n\n{measures(summaries)} on the test split, {seeds_phrase(summaries)}. "
        f"**Bold**: best of the column; <u>underlined</u>: second best.{paper}\n\n{table}"
    )


def _within_groups(summaries: Mapping[str, Summary]) -> list[str]:
    table = gauc_table(summaries)
    told = (
        "AUC within the groups of `evaluate.gauc_key` (a user's rows, say): the mean over groups, "
        "weighted by their rows. Groups without both classes have none, and are left out."
    )
    return [f"## GAUC\n\n{told}\n\n{table}"] if table else []


def _funnel(summaries: Mapping[str, Summary]) -> list[str]:
    told = (
        "CTR: a click, over all rows. CTCVR: a click with a conversion, over all rows. CVR: a "
        "conversion, over the clicked rows, predicted as CTCVR / CTR, at most 1: a model's own "
        "where it multiplies the two, what its predictions imply otherwise."
    )
    some = any(summary.funnel for summary in summaries.values())
    return [f"## Funnel\n\n{told}\n\n{funnel_table(summaries)}"] if some else []


def _quality(summaries: Mapping[str, Summary]) -> str:
    title, errors = _errors(measures(summaries))
    return (
        f"## {title}\n\nOn the test split; {errors}; "
        "lower is better. Operations: multiplications and additions of matrix "
        "products for one row's prediction; trees have none. Best epoch: mean over a model's runs "
        "(boosting: iterations).\n\n" + quality_table(summaries)
    )


def _errors(scored_by: str) -> tuple[str, str]:
    """The title of the section on quality, and its errors' names explained."""
    binary = "log loss in nats, ECE: expected calibration error"
    regression = "RMSE: root mean squared error, and MAE: mean absolute error, in the label's units"
    return {
        "AUC": ("Calibration and size", binary),
        "R²": ("Errors and size", regression),
    }.get(scored_by, ("Calibration, errors and size", f"{binary}; {regression}"))


def _figures(facts: DatasetFacts, folder: str, summaries: Mapping[str, Summary]) -> str:
    scored_by = measures(summaries)
    several = any(summary.totals.seeds > 1 for summary in summaries.values())
    first = " Drawn: each model's first seed." if several else ""
    faint = " Each model's first seed is drawn in full, the others faintly." if several else ""
    parts = [
        "## Training",
        f"Validation {scored_by}; a dot marks the epoch whose weights were kept. The axes leave "
        "out what lies far below the best epochs. "
        f"Epoch 0 is a fused model before training.{faint}",
        _image(f"Validation {scored_by} per epoch", folder, TRAINING),
    ]
    parts += _curves(facts, folder, first) if facts.binary else []
    parts += _values(facts, folder, first) if facts.targets else []
    return "\n\n".join(parts)


def _curves(facts: DatasetFacts, folder: str, first: str) -> list[str]:
    """What the binary tasks alone have; ``first``: the remark on seeds."""
    return [
        "## ROC",
        "Left the curves on a logarithmic axis, because it is the few highest-ranked rows that "
        "count; right their distance from the mean of all rows, smoothed over a fifth of a "
        f"decade; higher is better.{first}",
        *(_image(f"ROC curves of {task}", folder, roc_file(task)) for task in facts.binary),
        "## Calibration",
        "Observed odds over predicted odds: on the dashed line a model is calibrated, above it "
        "predicts too little, below too much. Each point is a group of rows with similar "
        "predictions, the groups chosen so that all points are about equally certain; bars are "
        f"two standard errors to either side. The other models are grey.{first}",
        *(
            _image(f"Calibration of {task}", folder, calibration_file(task))
            for task in facts.binary
        ),
    ]


def _values(facts: DatasetFacts, folder: str, first: str) -> list[str]:
    """What the regression tasks alone have; ``first``: the remark on seeds."""
    return [
        "## Predicted and true values",
        "How far the true values lie from the predicted ones: on the dashed line a model is right "
        "on average, above it predicts too little, below too much. Each point is a group of as "
        "many rows with similar predictions; bars are two standard errors to either side. The "
        f"other models are grey.{first}",
        *(_image(f"Values of {task}", folder, values_file(task)) for task in facts.targets),
    ]


def _reading(facts: DatasetFacts, summaries: Mapping[str, Summary], trained: Sequence[str]) -> str:
    points = [
        "Rows compare with each other: same data, same splits, epoch chosen on validation, "
        "test read once. Numbers that print alike share a mark."
    ]
    scored_by = measures(summaries)
    if facts.binary and any(summary.totals.seeds == 1 for summary in summaries.values()):
        points.append(
            "A model trained once says nothing about luck: take differences in AUC below about "
            "0.001 for noise until several seeds confirm them."
        )
    if trained:
        bar = join_names([display_name(model) for model in trained])
        points.append(
            f"Gain: {scored_by} less the mean {scored_by} of {bar}, networks that each learned "
            "one task alone."
        )
    if facts.name in PUBLISHED:
        points.append(
            "The paper's numbers don't compare with ours. Its code fits the encoders on train and "
            "test together and doesn't run as published, and its table marks the best among the "
            "multi-task models only; ours marks the best of all rows."
        )
    return "## How to read\n\n" + "\n".join(f"- {point}" for point in points)


def _repeating(facts: DatasetFacts, recipe: str) -> str:
    return (
        "## How to repeat\n\n```\ndvc repro                      # runs what isn't up to date\n"
        "dvc metrics show --md          # these numbers\n"
        "dvc metrics diff HEAD~1 --md   # what changed since the last commit\n```\n\n"
        f"Knobs: `{facts.name}` in `params.yaml`, section `{recipe}`."
    )


def _image(text: str, folder: str, name: str) -> str:
    return f"![{text}]({quote(f'{folder}/{name}')})"


def _typical(facts: DatasetFacts, split: str, task: str) -> str:
    """Share of positive rows, or mean of a regression task's label in its own units."""
    if task in facts.binary:
        return _percent(facts.positive_rates[split][task])
    return f"{facts.means[split][task]:.5g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
