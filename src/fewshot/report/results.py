"""The results of few-shot images: read from evaluations, and published ones to compare with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from emm.config.binding import bind
from emm.core.errors import DataError

PREDICTORS = {
    "maml": "**MAML**",
    "untrained": "the same network, not meta-trained",
    "pixels": "nearest neighbour on pixels",
}

PUBLISHED: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "omniglot": {
        "5-way-1-shot": {
            "[Finn et al. 2017](https://arxiv.org/abs/1703.03400)": "98.7 ± 0.4",
            "[PaddleRec](https://github.com/PaddlePaddle/PaddleRec), README": "98",
        },
        "20-way-1-shot": {"[Finn et al. 2017](https://arxiv.org/abs/1703.03400)": "95.8 ± 0.3"},
    }
}
"""Published accuracy of MAML in percent, by set of images, kind of episodes and author."""


@dataclass(frozen=True)
class Accuracy:
    """Mean accuracy over episodes and half of its 95 % confidence interval, as shares."""

    mean: float
    ci95: float


@dataclass(frozen=True)
class Point:
    """One validation during training."""

    iteration: int
    train_loss: float
    accuracy: float


@dataclass(frozen=True)
class History:
    """Content of history.json."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Evaluation:
    """Content of evaluation.json; ``accuracies`` are by queries per class and predictor."""

    episodes: str
    accuracies: Mapping[str, Mapping[str, Accuracy]]
    settings: Mapping[str, Any]
    characters: Mapping[str, int]
    parameters: int
    best_iteration: int
    validation_accuracy: float


@dataclass(frozen=True)
class EpisodeResults:
    """The results for one kind of episodes.

    Args:
        points: the validations during training.
        shown: episodes to draw, see `fewshot.testing.meta_test`.
    """

    evaluation: Evaluation
    points: tuple[Point, ...]
    shown: Mapping[str, Tensor]


def read_results(folder: Path) -> EpisodeResults:
    """Read the output of meta-testing; raise DataError if it is missing or damaged."""
    evaluation: Evaluation = _read(folder / "evaluation.json", Evaluation)
    history: History = _read(folder / "history.json", History)
    path = folder / "episodes.safetensors"
    try:
        shown = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _refused(path, str(error)) from error
    return EpisodeResults(evaluation, history.points, shown)


def metrics_of(results: Mapping[str, EpisodeResults]) -> dict[str, dict[str, Any]]:
    """Return the metrics file's content: scalars by kind of episodes."""
    return {kind: _scalars(each.evaluation) for kind, each in results.items()}


def _scalars(evaluation: Evaluation) -> dict[str, Any]:
    by_queries = {
        f"queries_{queries}": {
            f"{prefix}accuracy{suffix}": value
            for name, prefix in (("maml", ""), ("untrained", "untrained_"), ("pixels", "pixels_"))
            for suffix, value in (("", found[name].mean), ("_ci95", found[name].ci95))
        }
        for queries, found in evaluation.accuracies.items()
    }
    return {
        **by_queries,
        "validation_accuracy": evaluation.validation_accuracy,
        "test_episodes": evaluation.settings["test"]["episodes"],
        "best_iteration": evaluation.best_iteration,
        "parameters": evaluation.parameters,
    }


def _read(path: Path, kind: type) -> Any:
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(path, str(error)) from error
    errors: list[str] = []
    found = bind(kind, tree, path.name, errors)
    if errors:
        raise _refused(path, "; ".join(errors))
    return found


def _refused(path: Path, got: str) -> DataError:
    return DataError(f"{path} can't be used", got=got, next_step="run `dvc repro fewshot-test`")
