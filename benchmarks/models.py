"""Training and prediction speed of multi-task models, compared with torch-rechub and FuxiCTR.

    python -m benchmarks.models
    python -m benchmarks.models --model mmoe --epochs 1

All libraries train on the processed rows of Census-Income with the sizes, batches and Adam of the
paper recipe, in float32 on the CPU. The peers use their own models, data loaders and trainers; of
FuxiCTR, MMoE and PLE are compared. Each library has its own process; they take turns.
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
_OURS, _COMPILED, _PEER, _FUXI = "emm", "emm, compiled", "torch-rechub", "fuxictr"
_PEERS = (_PEER, _FUXI)
_MODELS = {
    "shared_bottom": "SharedBottom",
    "mmoe": "MMoE",
    "ple": "PLE",
    "aitm": "AITM",
    "esmm": "ESMM",
}
_FUXI_MODELS = ("mmoe", "ple")
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
    versions = {peer: _version(peer) for peer in _PEERS}
    found = {name: _compare(name, options) for name in options.model or _MODELS}
    console = Console()
    about = {**versions, "threads": options.threads}
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


def _version(peer: str) -> str:
    try:
        return version(peer)
    except PackageNotFoundError:
        sys.exit(
            f"error: {peer}, with which the models are compared, isn't installed\n"
            "  next: pip install -e '.[bench]'"
        )


def _libraries(model: str) -> tuple[str, ...]:
    """The libraries that have a model."""
    return (_OURS, _COMPILED, _PEER, *([_FUXI] if model in _FUXI_MODELS else []))


def _compare(model: str, options: argparse.Namespace) -> Found:
    """Let the libraries take turns, so that a slower phase of the machine affects all of them."""
    Console(stderr=True).print(_MODELS[model])
    with ExitStack() as stack:
        measurers = {
            each: stack.enter_context(_measurer(each, model, options)) for each in _libraries(model)
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
            for library in (each for each in measurers if each != _COMPILED):
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
    libraries = (_OURS, _COMPILED, *_PEERS)
    ratios = [(ours, peer) for peer in _PEERS for ours in (_OURS, _COMPILED)]
    names = [f"{ours}, times {peer}" for ours, peer in ratios]
    table = Table("model", "phase", *(f"{each}, rows/s" for each in libraries), *names)
    for model, by_library in found.items():
        for phase in by_library[_OURS]["rows_per_second"]:
            rates = {name: each["rows_per_second"][phase] for name, each in by_library.items()}
            medians = [f"{median(rates[each]):,.0f}" if each in rates else "" for each in libraries]
            shown = [
                f"{_ratio(rates[ours], rates[peer]):.1f}" if peer in rates else ""
                for ours, peer in ratios
            ]
            table.add_row(_MODELS[model], phase, *medians, *shown)
    return table


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return median(rate / other for rate, other in zip(ours, theirs, strict=True))


def _aucs(found: dict[str, Found], options: argparse.Namespace) -> Table:
    title = f"AUC on validation after {options.epochs} epochs, mean of {options.seeds} seeds"
    libraries = (_OURS, *_PEERS)
    table = Table("model", "task", *libraries, title=title)
    for model, by_library in found.items():
        for task in by_library[_OURS]["auc"][0]:
            scores = {
                name: fmean(each[task] for each in results["auc"])
                for name, results in by_library.items()
                if "auc" in results
            }
            row = [f"{scores[each]:.4f}" if each in scores else "" for each in libraries]
            table.add_row(_MODELS[model], task, *row)
    return table


if __name__ == "__main__":
    main()
