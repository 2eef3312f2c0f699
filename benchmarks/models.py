"""Training and prediction speed of multi-task models, beside torch-rechub's.

    python benchmarks/models.py
    python benchmarks/models.py --model mmoe --epochs 1

Census-Income's processed rows, the paper recipe's sizes, batches and Adam, float32 on the CPU. The
peer has its own models, data loader and trainer. Each is measured in a process of its own.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

_ROOT = Path(__file__).resolve().parents[1]
_OURS, _COMPILED, _PEER = "emm", "emm, compiled", "torch-rechub"
_LIBRARIES = (_OURS, _COMPILED, _PEER)
_MODELS = {
    "shared_bottom": "SharedBottom",
    "mmoe": "MMoE",
    "ple": "PLE",
    "aitm": "AITM",
    "esmm": "ESMM",
}
# A model's: by library what `benchmarks.model_speed` found.
Found = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", choices=_MODELS, help="may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="of either library")
    parser.add_argument("--batches", type=int, help="of each timed training; default: an epoch's")
    parser.add_argument("--repeats", type=int, default=3, help="of which the median counts")
    parser.add_argument(
        "--epochs", type=int, default=0, help="of fresh models, whose AUC is then compared"
    )
    parser.add_argument("--out", default="models.json", help="name within benchmarks/results")
    options = parser.parse_args()
    peer = _peer_version()
    found = {name: _compare(name, options) for name in options.model or _MODELS}
    console = Console()
    console.print(_speeds(found))
    if options.epochs:
        console.print(_aucs(found, options.epochs))
    record = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "torch": version("torch"),
        _PEER: peer,
        "threads": options.threads,
        "epochs": options.epochs,
        "models": found,
    }
    target = _ROOT / "benchmarks" / "results" / options.out
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _peer_version() -> str:
    try:
        return version(_PEER)
    except PackageNotFoundError:
        sys.exit(
            f"error: {_PEER}, which the models are compared with, isn't installed\n"
            "  next: pip install -e '.[bench]'"
        )


def _compare(model: str, options: argparse.Namespace) -> Found:
    found = {}
    for library in _LIBRARIES:
        Console(stderr=True).print(f"{_MODELS[model]} of {library}")
        arguments: dict[str, object] = {
            "--threads": options.threads,
            "--repeats": options.repeats,
            "--epochs": options.epochs,
            "--compile": "always" if library == _COMPILED else "never",
        }
        if options.batches:
            arguments["--batches"] = options.batches
        words = [str(word) for pair in arguments.items() for word in pair]
        found[library] = _measured([_OURS if library == _COMPILED else library, model, *words])
    return found


def _measured(words: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.model_speed", *words]
    # Without the peer's progress bars, which are many lines where there is no terminal.
    environment = os.environ | {"TQDM_DISABLE": "1"}
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _speeds(found: dict[str, Found]) -> Table:
    names = [f"{library}, rows/s" for library in _LIBRARIES]
    table = Table("model", "phase", *names, "ratio", "ratio, compiled")
    for model, by_library in found.items():
        for phase in by_library[_OURS]["rows_per_second"]:
            rates = [median(by_library[each]["rows_per_second"][phase]) for each in _LIBRARIES]
            ratios = [f"{own / rates[-1]:.1f}" for own in rates[:-1]]
            table.add_row(_MODELS[model], phase, *(f"{rate:,.0f}" for rate in rates), *ratios)
    return table


def _aucs(found: dict[str, Found], epochs: int) -> Table:
    title = f"AUC on validation, epochs: {epochs}"
    table = Table("model", "task", _OURS, _PEER, "difference", title=title)
    for model, by_library in found.items():
        for task in by_library[_OURS]["auc"]:
            ours, theirs = (by_library[library]["auc"][task] for library in _LIBRARIES)
            row = f"{ours:.4f}", f"{theirs:.4f}", f"{ours - theirs:+.4f}"
            table.add_row(_MODELS[model], task, *row)
    return table


if __name__ == "__main__":
    main()
