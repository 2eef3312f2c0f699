"""The figure of a task of classes: how well each class is separated from the others."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from emm.report.curves import Curves
from emm.report.drawing import Style, new_figure, panels
from emm.report.names import display_name

MOST_CLASSES = 30
_MARKERS = "osD^vPX*<>"


def classes_file(task: str) -> str:
    """Return the file name of the figure of a task of classes."""
    return f"classes-{task}.svg"


def draw_classes(
    path: Path,
    curves: Mapping[str, Curves],
    task: str,
    sizes: Mapping[str, int],
    looks: Mapping[str, Style],
) -> None:
    """Draw the one-vs-rest AUC of each class, one mark per model.

    ``sizes``: test rows by class, in the order of their numbers. The largest MOST_CLASSES are
    drawn, the largest on top.
    """
    names = list(sizes)
    order = sorted(range(len(names)), key=lambda number: -sizes[names[number]])
    drawn = [number for number in order if sizes[names[number]]][:MOST_CLASSES]
    with new_figure(path, 9.5, 1.1 + 0.32 * max(len(drawn), len(curves) / 2)) as figure:
        (axes,) = panels(figure, 1, 1)
        for place, model in enumerate(curves):
            aucs = curves[model].class_aucs[task]
            axes.plot(
                [aucs[number] for number in drawn],
                [row + _shift(place, len(curves)) for row in range(len(drawn))],
                linestyle="none",
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=5,
                color=looks[model]["color"],
                label=display_name(model),
            )
        for border in range(1, len(drawn)):
            axes.axhline(border - 0.5, color="#e4e4e4", linewidth=0.6)
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(drawn)), _labels([names[number] for number in drawn], sizes))
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_title(f"{task}: test AUC of each class against all others")
        figure.legend(loc="outside right upper", labelspacing=0.7)


def _shift(place: int, models: int) -> float:
    """Distance of a model's marks from the middle of the row."""
    return 0.6 * (place / max(models - 1, 1) - 0.5) if models > 1 else 0.0


def _labels(names: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
    return [f"{name} ({sizes[name]:,} rows)" for name in names]
