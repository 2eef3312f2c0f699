"""The common look of all figures, saved as reproducible SVG."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emm.report.names import display_name

Style = dict[str, Any]

_LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # part of matplotlib
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "svg.fonttype": "path",  # readers need no fonts
    "svg.hashsalt": "emm",  # names of clip paths, random otherwise
}

# Okabe and Ito's palette for colour-blind readers, without its yellow.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_GREYS = ("#4d4d4d", "#8c8c8c")
_ACCENT = "#D55E00"


@contextmanager
def new_figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure of ``width`` x ``height`` inches, and save it as SVG on exit.

    The same drawing gives the same bytes: local matplotlib settings are ignored, and the file has
    no date.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def styles(models: Sequence[str], trained: Sequence[str], fused: Sequence[str]) -> dict[str, Style]:
    """Choose a line style for each model: trained thin and grey, fused thick, others coloured.

    Styles are unique up to 8 trained, 4 fused and 24 other models.
    """
    groups: dict[str, list[str]] = {"trained": [], "fused": [], "others": []}
    for model in models:
        group = "trained" if model in trained else "fused" if model in fused else "others"
        groups[group].append(model)
    found = {m: _style(_GREYS, i, 1.2, 2) for i, m in enumerate(groups["trained"])}
    found |= {m: _style(_COLOURS, i, 1.4, 3) for i, m in enumerate(groups["others"])}
    found |= {m: _style((_ACCENT,), i, 2.4, 4) for i, m in enumerate(groups["fused"])}
    return {model: found[model] for model in models}


def panels(figure: Figure, count: int, columns: int, **options: Any) -> list[Axes]:
    """Return ``count`` panels in a grid of ``columns`` columns."""
    columns = min(columns, count)
    grid = figure.subplots(-(-count // columns), columns, squeeze=False, **options)
    for empty in grid.flat[count:]:
        empty.remove()
    return list(grid.flat[:count])


def add_legend(figure: Figure, looks: Mapping[str, Style]) -> None:
    """Add a legend of all models to the right of the panels."""
    handles = [Line2D([], [], label=display_name(model), **look) for model, look in looks.items()]
    figure.legend(handles=handles, loc="outside right upper", labelspacing=0.7)


def colour(position: int) -> str:
    """Return the palette's colour at ``position``; positions past the end start again."""
    return _COLOURS[position % len(_COLOURS)]


def _style(colours: Sequence[str], position: int, width: float, layer: int) -> Style:
    turn, place = divmod(position, len(colours))
    dashes = _DASHES[(place + turn) % len(_DASHES)]
    return {"color": colours[place], "linestyle": dashes, "linewidth": width, "zorder": layer}
