"""Figures of few-shot images: the validation curves, and a few test episodes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from emm.report.drawing import new_figure, panels
from fewshot.report.results import EpisodeResults

CURVES, EPISODES = "training.svg", "episodes.svg"
_COLOUR, _WRONG = "#0072B2", "#D55E00"
_MOST_QUERIES = 5  # per class
_GAP = 4  # pixels between pictures


def draw_curves(path: Path, results: Mapping[str, EpisodeResults]) -> None:
    """Draw validation accuracy over iterations, one panel per kind; a dot marks what was kept."""
    with new_figure(path, 9.5, 3.4) as figure:
        shared = panels(figure, len(results), 2)
        for axes, (kind, each) in zip(shared, results.items(), strict=True):
            iterations = [point.iteration for point in each.points]
            accuracies = [100 * point.accuracy for point in each.points]
            axes.plot(iterations, accuracies, color=_COLOUR, linewidth=1.4)
            best = each.evaluation
            axes.plot(best.best_iteration, 100 * best.validation_accuracy, "o", color=_COLOUR)
            axes.set_title(kind)
            axes.set_xlabel("iteration")
            axes.set_ylabel("validation accuracy, %")
            axes.set_xlim(left=0)


def draw_episodes(path: Path, results: EpisodeResults) -> None:
    """Draw test episodes, one column per class: support images above, queries of the class below.

    Wrong predictions are framed.
    """
    settings, shown = results.evaluation.settings, results.shown
    ways, count = settings["ways"], len(shown["support"])
    queries = shown["query"].shape[1] // ways
    height = settings["shots"] + min(queries, _MOST_QUERIES)
    with new_figure(path, 9.5, 0.9 + 9.0 / count / ways * (height + 0.5)) as figure:
        for number, axes in enumerate(panels(figure, count, count)):
            support = _by_class(shown["support"][number], ways)  # [W, K, P, P]
            query = _by_class(shown["query"][number], ways)[:, :_MOST_QUERIES]
            predictions = shown["predictions"][number].view(ways, -1)[:, :_MOST_QUERIES]
            _draw_episode(axes, support, query, predictions)
            axes.set_title(f"test episode {number + 1}")


def _draw_episode(axes: Axes, support: Tensor, query: Tensor, predictions: Tensor) -> None:
    """support [W, K, P, P], query [W, Q, P, P], predicted classes of the queries [W, Q]."""
    shots, cell = support.shape[1], support.shape[-1] + _GAP
    below = shots * cell + _GAP  # where the queries begin
    axes.set_axis_off()
    for top, images in ((0, support), (below, query)):
        sheet = _sheet(images)
        extent = (0, sheet.shape[1], top + sheet.shape[0], top)
        axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=255, extent=extent)
    axes.axhline(below - _GAP, color="#777777", linewidth=0.8)
    axes.set_xlim(-1, support.shape[0] * cell)
    axes.set_ylim(below + query.shape[1] * cell, -1)
    for way, column in enumerate(predictions.tolist()):
        for place, predicted in enumerate(column):
            if predicted != way:
                corner = (way * cell - 0.5, below + place * cell - 0.5)
                side = support.shape[-1] + 1
                axes.add_patch(Rectangle(corner, side, side, fill=False, color=_WRONG, lw=1.4))


def _by_class(images: Tensor, ways: int) -> Tensor:
    """[W·N, P, P] -> [W, N, P, P]."""
    return images.view(ways, -1, *images.shape[1:])


def _sheet(images: Tensor) -> NDArray[np.uint8]:
    """[W, N, P, P] -> one picture with a column per class and gaps: [N·(P+gap), W·(P+gap)]."""
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (0, _GAP), (0, _GAP)))
    ways, count, side, _ = padded.shape
    return padded.transpose(1, 2, 0, 3).reshape(count * side, ways * side)
