"""Figures of training, ROC and calibration, each with all models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, NullLocator

from emm.metrics.calibration import Reliability
from emm.report.curves import Curves
from emm.report.drawing import Style, add_legend, new_figure, panels
from emm.report.names import display_name
from emm.report.results import ModelResults, Run

TRAINING = "training.svg"
FEWEST_FALSE_POSITIVES = 30
LEAST_DECADE = 0.01
CALIBRATION_COLUMNS = 3
_FAINT = {"linewidth": 0.7, "alpha": 0.35}
MOST_TICKS = 7
# Finest first; percent, then factors.
_SHARES = (
    (0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99),
    (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9),
    (0.01, 0.1, 1, 10, 50, 90, 99, 99.9, 99.99),
)
_FACTORS = (
    (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.7, 2),
    (0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3),
    (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
    (0.0001, 0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000),
)


def roc_file(task: str) -> str:
    """Return the file name of a task's ROC figure."""
    return f"roc-{task}.svg"


def calibration_file(task: str) -> str:
    """Return the file name of a task's calibration figure."""
    return f"calibration-{task}.svg"


def draw_training(
    path: Path, results: Sequence[ModelResults], tasks: Sequence[str], looks: Mapping[str, Style]
) -> None:
    """Draw validation AUC or R squared per epoch, one panel per task; a dot marks the kept epoch.

    Each model's first seed has a full line, its other seeds faint ones.
    """
    with new_figure(path, 9.5, 3.6 * -(-len(tasks) // 2)) as figure:
        for axes, task in zip(panels(figure, len(tasks), 2), tasks, strict=True):
            for each in results:
                for run in each.runs:
                    if run.covers(task):
                        first = run.seed == each.evaluation.seeds[0]
                        _draw_run(axes, run, task, looks[each.name], first=first)
            _frame_training(axes, [r for e in results for r in e.runs if r.covers(task)], task)
        add_legend(figure, looks)


def draw_roc(
    path: Path, curves: Mapping[str, Curves], task: str, looks: Mapping[str, Style]
) -> None:
    """Draw the ROC curves on a logarithmic axis, and their distances from the mean curve."""
    rates = next(iter(curves.values())).roc[task][0]
    # A rate of fewer false positives is too noisy to draw.
    seen = rates >= min(FEWEST_FALSE_POSITIVES * float(rates[rates > 0][0]), 0.1)
    heights = torch.stack([each.roc[task][1][seen] for each in curves.values()])  # [models, K]
    distances = _smoothed(rates[seen], heights - heights.mean(0))
    with new_figure(path, 9.5, 3.6) as figure:
        left, right = panels(figure, 2, 2, width_ratios=[2, 3])
        for model, height, distance in zip(curves, heights, distances, strict=True):
            left.plot(rates[seen], height, **looks[model])
            right.plot(rates[seen], distance, **looks[model])
        for axes in (left, right):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(_percent)
            axes.set_xlim(float(rates[seen][0]), 1)
            if rates[seen][0] > LEAST_DECADE:  # few rows: powers of ten alone would be one tick
                axes.xaxis.set_major_locator(FixedLocator([0.02, 0.05, 0.1, 0.2, 0.5, 1]))
                axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel("false-positive rate")
        left.set_title(f"{task}: true-positive rate")
        right.set_title("distance from the mean of all rows, smoothed")
        add_legend(figure, looks)


def draw_calibration(
    path: Path,
    curves: Mapping[str, Curves],
    task: str,
    looks: Mapping[str, Style],
    predicted: str = "",
) -> None:
    """Draw observed odds over predicted odds, one panel per model with the others in grey.

    The log-odds axis spreads out rare positives. Bars are two standard errors in each direction.
    ``predicted``: what the probabilities are those of; by default ``task``.
    """
    points = {model: _odds_ratios(each.reliability[task]) for model, each in curves.items()}
    with new_figure(path, 9.5, 0.4 + 2.1 * -(-len(curves) // CALIBRATION_COLUMNS)) as figure:
        shared = panels(figure, len(curves), CALIBRATION_COLUMNS, sharex=True, sharey=True)
        for axes, model in zip(shared, curves, strict=True):
            for x, ratio, _ in points.values():
                axes.plot(x, ratio, color="#cccccc", linewidth=0.8, zorder=1)
            _draw_ratio(axes, *points[model], looks[model]["color"])
            axes.set_title(display_name(model), color=looks[model]["color"], fontweight="bold")
        _frame_calibration(shared[0], torch.cat([ratio for _, ratio, _ in points.values()]))
        for axes in shared[-CALIBRATION_COLUMNS:]:
            axes.tick_params(labelbottom=True)  # also above an empty cell of the grid
        figure.supxlabel(f"predicted probability of {predicted or task}", fontsize=9)
        figure.supylabel("observed odds / predicted odds", fontsize=9)


def _smoothed(rates: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Average values [models, K] over a tenth of a decade on each side of each rate [K]."""
    positions = rates.log10()
    near = ((positions[:, None] - positions).abs() < 0.1).double()  # [K, K]
    return values @ near / near.sum(0)


def _draw_run(axes: Axes, run: Run, task: str, look: Style, *, first: bool) -> None:
    scores = {epoch.epoch: epoch.scores[task] for epoch in run.epochs}
    if not first:
        axes.plot(list(scores), list(scores.values()), **look | _FAINT)
        return
    axes.plot(list(scores), list(scores.values()), **look)
    axes.plot(
        run.best_epoch,
        scores[run.best_epoch],
        marker="o",
        markersize=5,
        color=look["color"],
        markeredgecolor="white",
        markeredgewidth=0.8,
        zorder=9,
    )


def _frame_training(axes: Axes, runs: Sequence[Run], task: str) -> None:
    scores = [[epoch.scores[task] for epoch in run.epochs] for run in runs]
    peaks = [max(run) for run in scores]
    # The low scores of the first epochs would flatten the plateaus, which matter.
    span = max(max(peaks) - min(peaks), 0.002)
    lowest = max(min(map(min, scores)), min(peaks) - 2 * span)
    axes.set_ylim(lowest - 0.1 * span, max(peaks) + 0.25 * span)
    seen = [e.epoch for run in runs for e in run.epochs if e.scores[task] >= lowest]
    if min(seen) > 0:
        axes.set_xscale("log")
        axes.set_xlim(0.9 * min(seen), 1.1 * max(seen))
    else:
        # Fused models have an epoch 0, before training, which a logarithmic axis can't show.
        axes.set_xscale("symlog", linthresh=1, linscale=0.3)
        axes.set_xlim(-0.2, 1.1 * max(*seen, 1))
    axes.xaxis.set_major_locator(FixedLocator([0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]))
    axes.xaxis.set_major_formatter(_plain)
    axes.xaxis.set_minor_locator(NullLocator())
    measure = "AUC" if any(task in epoch.auc for epoch in runs[0].epochs) else "R²"
    axes.set_title(f"{task}: validation {measure}")
    axes.set_xlabel("epoch (boosting: iteration)")


def _odds_ratios(curve: Reliability) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mean prediction, observed over predicted odds, and the log ratio's standard error."""
    positives = curve.observed * curve.rows
    # Adding half a row to both classes keeps bins without positives or negatives finite.
    observed = (positives + 0.5) / (curve.rows - positives + 0.5)
    predicted = curve.predicted.clamp(1e-9, 1 - 1e-9)
    ratio = observed * (1 - predicted) / predicted
    error = (curve.rows * predicted * (1 - predicted)).rsqrt()
    return predicted, ratio, error.clamp(max=10)


def _draw_ratio(
    axes: Axes, x: torch.Tensor, ratio: torch.Tensor, error: torch.Tensor, colour: str
) -> None:
    reach = (2 * error).exp()
    bars = torch.stack([ratio - ratio / reach, ratio * reach - ratio])
    axes.errorbar(
        x,
        ratio,
        yerr=bars.numpy(),
        color=colour,
        linewidth=1.2,
        elinewidth=0.8,
        marker="o",
        markersize=3,
        zorder=3,
    )
    axes.axhline(1, color="#333333", linewidth=0.8, linestyle="--", zorder=2)


def _frame_calibration(axes: Axes, ratios: torch.Tensor) -> None:
    axes.set_xscale("logit")
    axes.set_yscale("log")
    # All points are in view; long bars may be cut off.
    axes.set_ylim(min(float(ratios.min()), 0.8) / 1.15, max(float(ratios.max()), 1.25) * 1.15)
    _set_ticks(axes.xaxis, [[share / 100 for share in shares] for shares in _SHARES])
    _set_ticks(axes.yaxis, _FACTORS)
    axes.xaxis.set_major_formatter(_percent)
    axes.yaxis.set_major_formatter(_plain)


def _set_ticks(axis: Axis, choices: Sequence[Sequence[float]]) -> None:
    """Set the first of ``choices`` with at most ``MOST_TICKS`` ticks in view, or the last."""
    low, high = axis.get_view_interval()
    crowded = [sum(low <= tick <= high for tick in ticks) > MOST_TICKS for ticks in choices[:-1]]
    axis.set_major_locator(FixedLocator(choices[[*crowded, False].index(False)]))
    axis.set_minor_locator(NullLocator())


def _percent(share: float, _position: float) -> str:
    return f"{100 * share:g}%"


def _plain(value: float, _position: float) -> str:
    return f"{value:g}"
