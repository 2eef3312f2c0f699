"""Read a row's test predictions, of one seed or all: safetensors, nothing that could run code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from emm.report.results import ModelResults, refuse


@dataclass(frozen=True)
class Predictions:
    """Test predictions: logits [N, T] float32 of one seed, or [S, N, T] of all, and labels [N, T]
    uint8. Where there is a regression task its "logits" are predicted values, and labels are
    float32."""

    logits: Tensor
    labels: Tensor


def read_predictions(row: ModelResults, rows: int, tasks: int) -> Predictions:
    """Read the first seed's predictions of a row over ``rows`` N test rows and ``tasks`` T tasks.

    Raises DataError if the file is absent, truncated, of other shapes or types, or not finite.
    """
    return _read(row, rows, tasks, 0)


def read_all_predictions(row: ModelResults, rows: int, tasks: int) -> Predictions:
    """Read the predictions of all seeds [S, N, T]; otherwise as ``read_predictions``."""
    return _read(row, rows, tasks, slice(None))


def _read(row: ModelResults, rows: int, tasks: int, seeds: int | slice) -> Predictions:
    path = row.folder / "predictions.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            shape = [len(row.evaluation.seeds), rows, tasks]
            _check_header(path, file, "logits", "F32", shape)
            labels = "F32" if "regression" in row.evaluation.kinds else "U8"
            _check_header(path, file, "labels", labels, shape[1:])
            found = Predictions(file.get_slice("logits")[seeds], file.get_tensor("labels"))
    except FileNotFoundError:
        refuse(path, "is missing", "no such file", None)
    except (OSError, SafetensorError) as error:
        refuse(path, "can't be read", error, "a whole safetensors file")
    if not bool(torch.isfinite(found.logits).all()):
        refuse(path, "holds logits that aren't finite", "NaN or infinity", "finite numbers")
    return found


def _check_header(path: Path, file: Any, name: str, dtype: str, shape: list[int]) -> None:
    if name not in file.keys():  # noqa: SIM118 - the file's handle is no mapping
        refuse(path, f"has no {name}", ", ".join(file.keys()), "logits and labels")
    header = file.get_slice(name)
    found = f"{header.get_dtype()} {header.get_shape()}"
    if found != f"{dtype} {shape}":
        refuse(path, f"has {name} of another type or shape", found, f"{dtype} {shape}")
