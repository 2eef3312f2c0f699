"""Read a model's test predictions from safetensors files, for one seed or all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from emm.report.results import ModelResults, refuse

PREDICTIONS = "predictions.safetensors"


@dataclass(frozen=True)
class Predictions:
    """Test predictions and labels.

    Args:
        logits: float32 [N, T] for one seed, or [S, N, T] for all; the columns of regression tasks
            hold predicted values.
        labels: uint8 [N, T], or float32 if there is a regression task.
    """

    logits: Tensor
    labels: Tensor


def read_predictions(results: ModelResults, rows: int, tasks: int) -> Predictions:
    """Read the first seed's predictions for ``rows`` N test rows and ``tasks`` T tasks.

    Raises DataError if the file is missing or damaged, has other shapes or types, or isn't finite.
    """
    return _read(results, rows, tasks, 0)


def read_all_predictions(results: ModelResults, rows: int, tasks: int) -> Predictions:
    """Read the predictions of all seeds [S, N, T]; raises as ``read_predictions`` does."""
    return _read(results, rows, tasks, slice(None))


def _read(results: ModelResults, rows: int, tasks: int, seeds: int | slice) -> Predictions:
    path = results.folder / PREDICTIONS
    try:
        with safe_open(path, framework="pt") as file:
            shape = [len(results.evaluation.seeds), rows, tasks]
            _check_header(path, file, "logits", "F32", shape)
            labels = "F32" if "regression" in results.evaluation.kinds else "U8"
            _check_header(path, file, "labels", labels, shape[1:])
            found = Predictions(file.get_slice("logits")[seeds], file.get_tensor("labels"))
    except FileNotFoundError:
        refuse(path, "is missing", "no such file", None)
    except (OSError, SafetensorError) as error:
        refuse(path, "can't be read", error, "a complete safetensors file")
    if not bool(torch.isfinite(found.logits).all()):
        refuse(path, "has logits that aren't finite", "NaN or infinity", "finite numbers")
    return found


def _check_header(path: Path, file: Any, name: str, dtype: str, shape: list[int]) -> None:
    if name not in file.keys():  # noqa: SIM118 - the handle is no mapping
        refuse(path, f"has no {name}", ", ".join(file.keys()), "logits and labels")
    header = file.get_slice(name)
    found = f"{header.get_dtype()} {header.get_shape()}"
    if found != f"{dtype} {shape}":
        refuse(path, f"has {name} of another type or shape", found, f"{dtype} {shape}")
