"""The figure of a found architecture: its fields, experts and tasks, and their connections."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from emm.automtl.space import ARCHITECTURE, IDENTITY, NamedArchitecture, NamedExpert, read_named
from emm.report.drawing import colour, new_figure
from emm.report.results import ModelResults

_BOX = (1.9, 0.62)  # width and height, in the units of the drawing
_STEP = (3.0, 1.0)  # from box to box


def architectures_of(results: Sequence[ModelResults]) -> dict[str, NamedArchitecture]:
    """Read the architectures of the models that have one, by model.

    Raises ModelFileError if a file is malformed.
    """
    files = {each.name: each.folder / ARCHITECTURE for each in results}
    return {name: read_named(path) for name, path in files.items() if path.exists()}


def architecture_file(model: str) -> str:
    """Return the file name of a model's architecture figure."""
    return f"architecture-{model}.svg"


def draw_architecture(path: Path, architecture: NamedArchitecture) -> None:
    """Draw the fields of the first level's experts, and the graph of experts and tasks."""
    fields, first = architecture.fields, architecture.levels[0]
    rows = max(len(architecture.tasks), *(len(level) for level in architecture.levels))
    columns = len(architecture.levels) + 1
    graph_width = 1.15 * _STEP[0] * columns * 0.5
    matrix_width = 2.2 + 0.3 * len(first)
    height = max(0.19 * len(fields) + 0.6, 0.9 * rows + 0.5)
    with new_figure(path, matrix_width + graph_width, height) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[matrix_width - 1.4, graph_width])
        _draw_fields(left, fields, first)
        _draw_graph(right, architecture, rows)


def _draw_fields(axes: Axes, fields: Sequence[str], experts: Sequence[NamedExpert]) -> None:
    place = {name: number for number, name in enumerate(fields)}
    for column, expert in enumerate(experts):
        single = [place[name] for name in expert.fields]
        pairs = (
            [place[name] for name in expert.interactions] if len(expert.interactions) > 1 else []
        )
        axes.scatter([column] * len(single), single, s=26, color=colour(column), zorder=3)
        axes.scatter(
            [column] * len(pairs),
            pairs,
            s=70,
            facecolors="none",
            edgecolors=colour(column),
            linewidths=1.1,
            zorder=3,
        )
    axes.set_xlim(-0.6, len(experts) - 0.4)
    axes.set_ylim(len(fields) - 0.4, -0.6)
    axes.set_yticks(range(len(fields)), fields)
    axes.set_xticks(range(len(experts)), [_name(0, number) for number in range(len(experts))])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_graph(axes: Axes, architecture: NamedArchitecture, rows: int) -> None:
    axes.set_axis_off()
    axes.set_xlim(-1.0, len(architecture.levels) * _STEP[0] + 1.0)
    axes.set_ylim(rows * _STEP[1], 0)
    for number, level in enumerate(architecture.levels):
        for k, expert in enumerate(level):
            text = f"{_name(number, k)}\n{_layers(expert)}"
            _box(axes, _centre(number, k, len(level), rows), text, colour(k))
            for source in expert.experts:
                _arrow(axes, architecture, rows, (number - 1, source), (number, k, len(level)))
    last = len(architecture.levels)
    for t, (task, experts) in enumerate(architecture.tasks.items()):
        _box(axes, _centre(last, t, len(architecture.tasks), rows), task, "#4d4d4d")
        for source in experts:
            here = (last, t, len(architecture.tasks))
            _arrow(axes, architecture, rows, (last - 1, source), here)


def _centre(column: int, number: int, count: int, rows: int) -> tuple[float, float]:
    return column * _STEP[0], (number + 0.5) * rows * _STEP[1] / count


def _box(axes: Axes, centre: tuple[float, float], text: str, edge: str) -> None:
    corner = (centre[0] - _BOX[0] / 2, centre[1] - _BOX[1] / 2)
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch(corner, *_BOX, boxstyle=style, facecolor="white", edgecolor=edge, zorder=3)
    )
    axes.text(*centre, text, ha="center", va="center", fontsize=8, linespacing=1.4, zorder=4)


def _arrow(
    axes: Axes,
    architecture: NamedArchitecture,
    rows: int,
    source: tuple[int, int],
    target: tuple[int, int, int],
) -> None:
    level, number = source
    start = _centre(level, number, len(architecture.levels[level]), rows)
    end = _centre(*target, rows)
    axes.add_patch(
        FancyArrowPatch(
            (start[0] + _BOX[0] / 2, start[1]),
            (end[0] - _BOX[0] / 2, end[1]),
            arrowstyle="-|>",
            mutation_scale=8,
            color=colour(number),
            linewidth=1.1,
            shrinkA=0,
            shrinkB=1,
            zorder=2,
        )
    )


def _name(level: int, number: int) -> str:
    return f"{level + 1}.{number + 1}"


def _layers(expert: NamedExpert) -> str:
    short = ("=" if name == IDENTITY else name.rpartition("-")[2] for name in expert.operators)
    return " · ".join(short)
