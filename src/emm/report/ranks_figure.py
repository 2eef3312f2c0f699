"""The critical-difference figure: mean ranks, and which of them Nemenyi's test can't tell apart."""

from collections.abc import Mapping, Sequence
from math import ceil, floor
from pathlib import Path

from matplotlib.axes import Axes

from emm.metrics.ranks import cliques
from emm.report.drawing import new_figure
from emm.report.names import display_name

_LINE, _ACCENT, _GREY = "#4d4d4d", "#D55E00", "#777777"
_STEP = 0.42  # between two names; the axis is at 0
_CLIQUE_STEP = 0.16


def draw_ranks(path: Path, means: Mapping[str, float], critical: float, reference: str) -> None:
    """Draw the models by their mean ranks, the best on the left.

    A bar joins models whose mean ranks are within the critical difference (Demsar 2006, figure 1).
    """
    ordered = sorted(means, key=lambda model: means[model])
    half = ceil(len(ordered) / 2)
    bars = cliques(list(means.values()), critical)
    top = _CLIQUE_STEP * (len(bars) + 1)
    low, high = _limits(means, critical)
    with new_figure(path, 9, 1.2 + 0.32 * half + 0.13 * len(bars)) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_ylim(-top - _STEP * (half + 0.4), 1.25)
        margin = 0.42 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        _scale(axes, low, high, critical)
        for number, model in enumerate(ordered):
            left = number < half
            row = number if left else len(ordered) - 1 - number
            end = low - 0.05 * margin if left else high + 0.05 * margin
            _name(axes, model, means[model], end, -top - _STEP * (row + 0.5), left, reference)
        for number, (first, last) in enumerate(bars):
            height = -_CLIQUE_STEP * (number + 1)
            axes.plot([first - 0.04, last + 0.04], [height, height], color=_LINE, linewidth=3.2)


def _limits(means: Mapping[str, float], critical: float) -> tuple[int, int]:
    """Whole ranks around all means, and wide enough for the bar of the critical difference."""
    low, high = floor(min(means.values())), ceil(max(means.values()))
    return low, max(high, low + ceil(critical), low + 1)


def _scale(axes: Axes, low: int, high: int, critical: float) -> None:
    axes.plot([low, high], [0, 0], color=_GREY, linewidth=1)
    for rank in range(low, high + 1):
        axes.plot([rank, rank], [0, 0.1], color=_GREY, linewidth=1)
        axes.text(rank, 0.16, str(rank), ha="center", va="bottom")
    axes.plot([low, low + critical], [0.78, 0.78], color=_LINE, linewidth=1.5)
    for end in (low, low + critical):
        axes.plot([end, end], [0.70, 0.86], color=_LINE, linewidth=1.5)
    text = f"critical difference {critical:.2f}"
    axes.text(low + critical / 2, 0.9, text, ha="center", va="bottom")


def _name(
    axes: Axes, model: str, mean: float, end: float, height: float, left: bool, reference: str
) -> None:
    colour = _ACCENT if model == reference else _LINE
    xs: Sequence[float] = [mean, mean, end]
    axes.plot(xs, [0, height, height], color=colour, linewidth=1)
    text = f"{display_name(model)}  {mean:.2f}" if left else f"{mean:.2f}  {display_name(model)}"
    weight = "bold" if model == reference else "normal"
    side = "right" if left else "left"
    gap = " "
    label = text + gap if left else gap + text
    axes.text(end, height, label, ha=side, va="center", color=colour, weight=weight)
