"""The figures: AUC on test by number of joint rows, a figure per pool and a panel per dataset."""

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from emm.regimes.names import AVERAGE, EMM, SHORT, in_order
from emm.regimes.results import PoolResults, Size
from emm.report.drawing import colour, new_figure, panels

_WEAK = ("best", "bagged_trees", "trees", "mmoe", "shared_bottom")
_LOOKS: Mapping[str, dict[str, Any]] = {
    EMM: {"color": "#D55E00", "linewidth": 2.4, "marker": "o", "zorder": 5},
    AVERAGE: {"color": "#000000", "linewidth": 1.6, "marker": "s", "zorder": 4},
    "logistic": {"color": colour(0), "linewidth": 1.3, "marker": "^"},
    "best": {"color": colour(2), "linewidth": 1.3, "marker": "v"},
    "routing": {"color": colour(4), "linewidth": 1.3, "marker": "D"},
    "bagged_trees": {"color": colour(3), "linewidth": 1.6, "linestyle": (0, (5, 1.5))},
    "trees": {"color": colour(3), "linewidth": 1.1, "linestyle": (0, (1, 1))},
    "mmoe": {"color": "#4d4d4d", "linewidth": 1.2, "linestyle": (0, (5, 1.5))},
    "shared_bottom": {"color": "#8c8c8c", "linewidth": 1.2, "linestyle": (0, (1, 1))},
}
_BELOW = 2.0
"""How many times the span of the fusions the axis shows below them: weaker models leave it."""


def draw_pool(path: Path, results: Sequence[PoolResults], titles: Mapping[str, str]) -> None:
    """One panel per dataset; the band is the 95 percent interval of EMM minus the average, drawn
    from the average on.

    Args:
        results: of one pool.
        titles: of the datasets.
    """
    with new_figure(path, 3.1 * len(results) + 1.9, 3.2) as figure:
        for axes, found in zip(panels(figure, len(results), len(results)), results, strict=True):
            _draw(axes, found)
            axes.set_title(f"{titles[found.dataset]}: {found.task}")
        shown = in_order({name: None for each in results for name in each.sizes[0].scores})
        handles = [Line2D([], [], label=SHORT[name], **_look(name)) for name in shown]
        figure.legend(handles=handles, loc="outside right upper", labelspacing=0.7)


def _draw(axes: Axes, found: PoolResults) -> None:
    rows = [size.rows for size in found.sizes]
    for name in in_order(found.sizes[0].scores):
        scores = [size.scores[name] for size in found.sizes]
        axes.plot(rows, [each.auc for each in scores], **_look(name))
    means = [size.scores[AVERAGE].auc for size in found.sizes]
    paired = [size.differences[AVERAGE] for size in found.sizes]
    low = [mean + each.low for mean, each in zip(means, paired, strict=True)]
    high = [mean + each.high for mean, each in zip(means, paired, strict=True)]
    axes.fill_between(rows, low, high, color=_look(EMM)["color"], alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks([n for n, after in zip(rows, [*rows[1:], inf], strict=True) if after > 2 * n])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _count(value)))
    axes.set_xlabel("joint rows")
    axes.set_ylabel("AUC on test")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylim(*_limits(found.sizes))


def _limits(sizes: Sequence[Size]) -> tuple[float, float]:
    """The fusions, but for the best member, are within; weaker methods may leave the panel."""
    fusions = [
        score.auc for size in sizes for name, score in size.scores.items() if name not in _WEAK
    ]
    bands = [
        size.scores[AVERAGE].auc + each
        for size in sizes
        for each in (size.differences[AVERAGE].low, size.differences[AVERAGE].high)
    ]
    every = [score.auc for size in sizes for score in size.scores.values()]
    top, bottom = max(*every, *bands), min(*fusions, *bands)
    low = max(min(*every, bottom), bottom - _BELOW * max(top - bottom, 0.002))
    return low - 0.05 * (top - low), top + 0.08 * (top - low)


def _count(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 1000 else f"{value:g}"


def _look(name: str) -> dict[str, Any]:
    return {"markersize": 4, **_LOOKS[name]}
