"""The figure of a regression task: true values against predicted ones."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from emm.data.tables.schema import Target
from emm.metrics.regression import PredictionGroups
from emm.report.curves import Curves
from emm.report.drawing import Style, new_figure, panels
from emm.report.names import display_name

COLUMNS = 3


def values_file(task: str) -> str:
    """Return the file name of a regression task's figure."""
    return f"values-{task}.svg"


def draw_values(
    path: Path, curves: Mapping[str, Curves], task: str, target: Target, looks: Mapping[str, Style]
) -> None:
    """Draw true minus predicted values against predicted ones, in the label's own units.

    One panel per model with the others in grey. Bars are two standard errors in each direction.
    """
    with new_figure(path, 9.5, 0.4 + 2.1 * -(-len(curves) // COLUMNS)) as figure:
        shared = panels(figure, len(curves), COLUMNS, sharex=True, sharey=True)
        for axes, model in zip(shared, curves, strict=True):
            for other in curves.values():
                _draw(axes, other.groups[task], target, {"color": "#cccccc", "linewidth": 0.8})
            _draw_with_bars(axes, curves[model].groups[task], target, looks[model]["color"])
            axes.set_title(display_name(model), color=looks[model]["color"], fontweight="bold")
            axes.xaxis.set_major_locator(MaxNLocator(5))
        for axes in shared[-COLUMNS:]:
            axes.tick_params(labelbottom=True)  # also above an empty cell of the grid
        figure.supxlabel(f"predicted {task}", fontsize=9)
        figure.supylabel("true value less the predicted one", fontsize=9)


def _draw(axes: Axes, groups: PredictionGroups, target: Target, look: Style) -> None:
    axes.plot(
        target.mean + target.std * groups.predicted,
        target.std * (groups.observed - groups.predicted),
        zorder=1,
        **look,
    )


def _draw_with_bars(axes: Axes, groups: PredictionGroups, target: Target, colour: str) -> None:
    axes.errorbar(
        target.mean + target.std * groups.predicted,
        target.std * (groups.observed - groups.predicted),
        yerr=2 * target.std * groups.error,
        color=colour,
        linewidth=1.2,
        elinewidth=0.8,
        marker="o",
        markersize=3,
        zorder=3,
    )
    axes.axhline(0, color="#333333", linewidth=0.8, linestyle="--", zorder=2)
