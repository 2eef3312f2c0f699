"""Hashes of everything that the result of a training stage depends on, kept in checkpoints."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from emm.core.files import sha256

_PACKAGE = Path(__file__).parent.parent
_LIBRARIES = ("numpy", "polars", "safetensors", "scikit-learn")


def fingerprint(
    device: torch.device, settings: Mapping[str, Any], data: Iterable[Path], code: Iterable[Path]
) -> dict[str, str]:
    """Hex digests of ``settings``, ``data``, ``code`` and ``versions``.

    ``settings``: resolved dataclasses and plain values. ``data``, ``code``: files, or folders with
    all files in them; missing ones are skipped. All modules of the package count as code. Every
    file is read in full, which takes far less time than training.
    """
    versions = {name: version(name) for name in _LIBRARIES} | {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    if device.type == "cuda":
        versions["cuda"] = torch.cuda.get_device_name(device)
    return {
        "settings": _digest({"device": str(device), **settings}),
        "data": _digest(_contents(data)),
        "code": _digest(_contents(code) | _modules()),
        "versions": _digest(versions),
    }


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, default=asdict)
    return hashlib.sha256(text.encode()).hexdigest()


def _contents(paths: Iterable[Path]) -> dict[str, str]:
    files = [file for path in paths for file in (path, *path.rglob("*")) if file.is_file()]
    return {str(file): sha256(file) for file in files if "__pycache__" not in file.parts}


def _modules() -> dict[str, str]:
    return {str(file.relative_to(_PACKAGE)): sha256(file) for file in _PACKAGE.rglob("*.py")}
