"""The study's figure: test scores by number of tasks learned together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emm.report.drawing import new_figure, panels
from emm.report.names import display_name
from emm.report.study_results import StudyTable
from emm.report.tables import measure

# By number of tasks, from the fewest; colours for colour-blind readers.
_MARKS = (("#0072B2", "o"), ("#E69F00", "s"), ("#D55E00", "D"), ("#000000", "^"))
_SPREAD = 0.24  # between the marks of one model; models are 1 apart


def draw_tasks(path: Path, tables: Sequence[StudyTable]) -> None:
    """Draw the models' mean AUC or R squared, one panel per task and one mark per table.

    Bars are one standard deviation over seeds in each direction.
    """
    tables = sorted(tables, key=lambda table: len(table.tasks))
    tasks = list(dict.fromkeys(task for table in tables for task in table.tasks))
    models = list(dict.fromkeys(name for table in tables for name in table.results))
    marks = {len(table.tasks): _MARKS[i % len(_MARKS)] for i, table in enumerate(tables)}
    height = (0.9 + 0.3 * len(models)) * -(-len(tasks) // 2)
    with new_figure(path, 9.5, height) as figure:
        for axes, task in zip(panels(figure, len(tasks), 2, sharey=True), tasks, strict=True):
            shown = [table for table in tables if task in table.tasks]
            for place, table in enumerate(shown):
                shift = _SPREAD * (place - (len(shown) - 1) / 2)
                _draw_marks(axes, table, task, models, shift, marks[len(table.tasks)])
            axes.set_title(f"{task}: test {measure(shown[0].summaries, task)}")
            axes.set_yticks(range(len(models)), [display_name(model) for model in models])
            axes.set_ylim(len(models) - 0.5, -0.5)
            axes.tick_params(labelleft=True)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.ticklabel_format(axis="x", useOffset=False)
        figure.legend(handles=_handles(marks), loc="outside upper right", ncols=len(marks))


def _draw_marks(
    axes: Axes,
    table: StudyTable,
    task: str,
    models: Sequence[str],
    shift: float,
    mark: tuple[str, str],
) -> None:
    scores = {name: summary.tasks[task].score for name, summary in table.summaries.items()}
    colour, marker = mark
    axes.errorbar(
        [mean for mean, _, _ in scores.values()],
        [models.index(name) + shift for name in scores],
        xerr=[std or 0.0 for _, std, _ in scores.values()],
        linestyle="none",
        color=colour,
        marker=marker,
        markersize=4,
        elinewidth=1,
        zorder=3,
    )


def _handles(marks: Mapping[int, tuple[str, str]]) -> list[Line2D]:
    return [
        Line2D([], [], linestyle="none", color=colour, marker=marker, label=f"{count} tasks")
        for count, (colour, marker) in marks.items()
    ]
