"""How every figure looks, and how it becomes the same bytes each time."""

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
    "font.family": "DejaVu Sans",  # comes with matplotlib
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
    "svg.fonttype": "path",  # no fonts needed where it is read
    "svg.hashsalt": "emm",  # names of clip paths, otherwise drawn at random
}

# Okabe and Ito's colours, which colour-blind people can tell apart, without their yellow.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_GREYS = ("#4d4d4d", "#8c8c8c")
_ACCENT = "#D55E00"


@contextmanager
def new_figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure of ``width`` x ``height`` inches; afterwards it is saved as SVG.

    The reader's own matplotlib settings don't count, and the file holds no date.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def styles(models: Sequence[str], trained: Sequence[str], fused: Sequence[str]) -> dict[str, Style]:
    """Line style by model: trained ones thin and grey, fused ones thick, the others in colours.

    No two models share both colour and dashes while each group has at most 8, 4 and 24 models.
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
    """``count`` panels, ``columns`` in a row; places left over stay empty."""
    columns = min(columns, count)
    grid = figure.subplots(-(-count // columns), columns, squeeze=False, **options)
    for empty in grid.flat[count:]:
        empty.remove()
    return list(grid.flat[:count])


def add_legend(figure: Figure, looks: Mapping[str, Style]) -> None:
    """All models in table order, to the right of the panels."""
    handles = [Line2D([], [], label=display_name(model), **look) for model, look in looks.items()]
    figure.legend(handles=handles, loc="outside right upper", labelspacing=0.7)


def colour(position: int) -> str:
    """One of the colours that can be told apart, again from the first after the last."""
    return _COLOURS[position % len(_COLOURS)]


def _style(colours: Sequence[str], position: int, width: float, layer: int) -> Style:
    turn, place = divmod(position, len(colours))
    dashes = _DASHES[(place + turn) % len(_DASHES)]
    return {"color": colours[place], "linestyle": dashes, "linewidth": width, "zorder": layer}
