"""Training and prediction speed of multi-task models, compared with torch-rechub.

    python -m benchmarks.models
    python -m benchmarks.models --model mmoe --epochs 1

Both libraries train on the processed rows of Census-Income with the sizes, batches and Adam of the
paper recipe, in float32 on the CPU. The peer uses its own models, data loader and trainer. Each
library has its own process; they take turns.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryFile
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import add_out, save

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
Found = dict[str, dict[str, Any]]
"""Results of `benchmarks.model_speed` for one model, by library."""
Ask = Callable[[str], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", choices=_MODELS, help="may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="of each library")
    parser.add_argument("--batches", type=int, help="per timed training; default: one epoch")
    parser.add_argument(
        "--repeats", type=int, default=5, help="measurements of which the median counts; 0: none"
    )
    parser.add_argument(
        "--epochs", type=int, default=0, help="after which the AUC of fresh models is compared"
    )
    parser.add_argument("--seeds", type=int, default=3, help="of the models whose AUC is compared")
    add_out(parser)
    options = parser.parse_args()
    peer = _peer_version()
    found = {name: _compare(name, options) for name in options.model or _MODELS}
    console = Console()
    about = {_PEER: peer, "threads": options.threads}
    if options.repeats:
        console.print(_speeds(found))
        save(options.out, "models", {**about, "models": _only(found, "rows_per_second")})
    if options.epochs:
        console.print(_aucs(found, options))
        about |= {"epochs": options.epochs, "seeds": options.seeds}
        save(options.out, "models-auc", {**about, "models": _only(found, "auc")})


def _only(found: dict[str, Found], key: str) -> dict[str, Found]:
    """The results under ``key``, with the number of parameters."""
    return {
        model: {
            library: {"parameters": results["parameters"], key: results[key]}
            for library, results in by_library.items()
            if key in results
        }
        for model, by_library in found.items()
    }


def _peer_version() -> str:
    try:
        return version(_PEER)
    except PackageNotFoundError:
        sys.exit(
            f"error: {_PEER}, with which the models are compared, isn't installed\n"
            "  next: pip install -e '.[bench]'"
        )


def _compare(model: str, options: argparse.Namespace) -> Found:
    """Let the libraries take turns, so that a slower phase of the machine affects all of them."""
    Console(stderr=True).print(_MODELS[model])
    with ExitStack() as stack:
        measurers = {
            each: stack.enter_context(_measurer(each, model, options)) for each in _LIBRARIES
        }
        found: Found = {}
        for library, ask in measurers.items():
            about = ask("parameters")
            found[library] = {
                "parameters": about["parameters"],
                "rows_per_second": {phase: [] for phase in about["phases"]},
            }
        for _ in range(options.repeats):
            for phase in found[_OURS]["rows_per_second"]:
                for library, ask in measurers.items():
                    rate = round(ask(phase))
                    found[library]["rows_per_second"][phase].append(rate)
        if options.epochs:
            for library in (_OURS, _PEER):
                seeds = range(options.seeds)
                found[library]["auc"] = [
                    measurers[library](f"auc {options.epochs} {seed}") for seed in seeds
                ]
    return found


@contextmanager
def _measurer(library: str, model: str, options: argparse.Namespace) -> Iterator[Ask]:
    """A process that measures one library on request."""
    compile_ = "always" if library == _COMPILED else "never"
    words = [_OURS if library == _COMPILED else library, model, "--compile", compile_]
    words += ["--threads", str(options.threads)]
    if options.batches:
        words += ["--batches", str(options.batches)]
    command = [sys.executable, "-m", "benchmarks.model_speed", *words]
    # Without the peer's progress bars, which are many lines without a terminal.
    environment = os.environ | {"TQDM_DISABLE": "1"}
    pipe = subprocess.PIPE
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, cwd=_ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        requests, answers = process.stdin, process.stdout

        def ask(request: str) -> Any:
            requests.write(request + "\n")
            requests.flush()
            answer = answers.readline()
            if not answer:
                errors.seek(0)
                sys.exit(errors.read())
            return json.loads(answer)

        yield ask


def _speeds(found: dict[str, Found]) -> Table:
    names = [f"{library}, rows/s" for library in _LIBRARIES]
    table = Table("model", "phase", *names, "ratio", "ratio, compiled")
    for model, by_library in found.items():
        for phase in by_library[_OURS]["rows_per_second"]:
            rates = [by_library[library]["rows_per_second"][phase] for library in _LIBRARIES]
            medians = [f"{median(each):,.0f}" for each in rates]
            ratios = [f"{_ratio(each, rates[-1]):.1f}" for each in rates[:-1]]
            table.add_row(_MODELS[model], phase, *medians, *ratios)
    return table


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return median(rate / other for rate, other in zip(ours, theirs, strict=True))


def _aucs(found: dict[str, Found], options: argparse.Namespace) -> Table:
    title = f"AUC on validation after {options.epochs} epochs, mean of {options.seeds} seeds"
    table = Table("model", "task", _OURS, _PEER, "difference", title=title)
    for model, by_library in found.items():
        for task in by_library[_OURS]["auc"][0]:
            ours, theirs = (
                fmean(scores[task] for scores in by_library[library]["auc"])
                for library in (_OURS, _PEER)
            )
            row = f"{ours:.4f}", f"{theirs:.4f}", f"{ours - theirs:+.4f}"
            table.add_row(_MODELS[model], task, *row)
    return table


if __name__ == "__main__":
    main()
