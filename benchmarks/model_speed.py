"""Measure the speed of one model of one library in this process, for `benchmarks.models`.

    python -m benchmarks.model_speed emm mmoe

Each line of standard input requests one measurement, and is answered by a line of JSON on standard
output. Requests: the name of a phase (rows/s of one repeat), ``parameters`` (their number, and the
names of the phases), or ``auc EPOCHS SEED`` (AUC of a fresh model on validation).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial

from benchmarks.model_runners import Runner, Setting, Timed, emm_runner, read_setting
from emm.core.errors import EmmError
from emm.training.fit import EVALUATION_ROWS

_SEED = 0

Phases = dict[str, tuple[Timed, int]]
"""By name, the call to be timed and its number of rows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=["emm", "torch-rechub", "fuxictr"])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, help="per timed training; default: one epoch")
    parser.add_argument(
        "--warm-up", type=int, default=20, help="batches before the first measurement"
    )
    parser.add_argument("--compile", default="never", choices=["never", "always"])
    options = parser.parse_args()
    answers = sys.stdout
    try:
        with redirect_stdout(sys.stderr):  # the peer's trainer prints progress
            answer = _make_answer(options)
            for line in sys.stdin:
                answers.write(json.dumps(answer(line.split(" "))) + "\n")
                answers.flush()
    except EmmError as error:
        sys.exit(f"error: {error}")


def _make_answer(options: argparse.Namespace) -> Callable[[list[str]], object]:
    read = partial(read_setting, options.model, options.threads, compile_=options.compile)
    setting = read(_SEED)
    runner = _runner(options.library, setting)
    phases = _phases(runner, setting, options)

    def answer(words: list[str]) -> object:
        request = " ".join(words).strip()
        if request == "parameters":
            return {"parameters": runner.parameters, "phases": list(phases)}
        if words[0] == "auc":
            return _auc(options.library, read(int(words[2])), int(words[1]))
        timed, rows = phases[request]
        start = time.perf_counter()
        timed()
        return rows / (time.perf_counter() - start)

    return answer


def _phases(runner: Runner, setting: Setting, options: argparse.Namespace) -> Phases:
    batch_size, rows = setting.schedule.batch_size, len(setting.context.train)
    used = min(rows, options.batches * batch_size) if options.batches else rows
    runner.train(options.warm_up * batch_size)()
    phases: Phases = {"training": (runner.train(used), used)}
    for size in (batch_size, EVALUATION_ROWS):
        predicted = len(setting.context.validation)
        phases[f"prediction by {size:,}"] = (runner.predict(size), predicted)
    return phases


def _runner(library: str, setting: Setting) -> Runner:
    if library == "emm":
        return emm_runner(setting)
    if library == "fuxictr":
        from benchmarks.fuxi import fuxi_runner

        return fuxi_runner(setting)
    from benchmarks.rechub import rechub_runner

    return rechub_runner(setting)


def _auc(library: str, setting: Setting, epochs: int) -> dict[str, float]:
    runner = _runner(library, setting)
    train = runner.train(len(setting.context.train))
    for _ in range(epochs):
        train()
    return dict(zip(setting.context.schema.tasks, runner.scores(), strict=True))


if __name__ == "__main__":
    main()
