"""What a report says of few-shot images: read from the evaluations, the published beside it."""

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
    "untrained": "the same network untrained, adapted alike",
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
"""Set of images -> kind of episodes -> who printed it -> accuracy of MAML in percent."""


@dataclass(frozen=True)
class Accuracy:
    """Mean accuracy over episodes and half of its 95 % confidence interval, as shares."""

    mean: float
    ci95: float


@dataclass(frozen=True)
class Point:
    """A validation during training."""

    iteration: int
    train_loss: float
    accuracy: float


@dataclass(frozen=True)
class History:
    """history.json."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json: accuracies by queries of a class and predictor, and how they came about."""

    episodes: str
    accuracies: Mapping[str, Mapping[str, Accuracy]]
    settings: Mapping[str, Any]
    characters: Mapping[str, int]
    parameters: int
    best_iteration: int
    validation_accuracy: float


@dataclass(frozen=True)
class EpisodeResults:
    """One kind of episodes: its evaluation, the validations of its training, and episodes to show
    (see `fewshot.testing.meta_test`)."""

    evaluation: Evaluation
    points: tuple[Point, ...]
    shown: Mapping[str, Tensor]


def read_results(folder: Path) -> EpisodeResults:
    """What meta-test wrote; DataError if it is missing or damaged."""
    evaluation: Evaluation = _read(folder / "evaluation.json", Evaluation)
    history: History = _read(folder / "history.json", History)
    path = folder / "episodes.safetensors"
    try:
        shown = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _refused(path, str(error)) from error
    return EpisodeResults(evaluation, history.points, shown)


def metrics_of(rows: Mapping[str, EpisodeResults]) -> dict[str, dict[str, Any]]:
    """Scalars by kind of episodes; accuracies by queries of a class."""
    return {kind: _scalars(row.evaluation) for kind, row in rows.items()}


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
    return DataError(f"{path} can't be used", got=got, next_step="dvc repro meta-test")
