"""Speed of one model of one library, measured in this process; `benchmarks.models` starts it.

    python -m benchmarks.model_speed emm mmoe

What is found goes to standard output as one line of JSON.
"""

import argparse
import json
import sys
import time
from contextlib import redirect_stdout
from typing import Any

from benchmarks.model_runners import Runner, Setting, Timed, emm_runner, read_setting
from emm.core.errors import EmmError
from emm.training.fit import EVALUATION_ROWS

_SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=["emm", "torch-rechub"])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, help="of each timed training; default: an epoch's")
    parser.add_argument("--warm-up", type=int, default=20, help="batches before the first one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=0, help="before AUC is measured; 0: it isn't")
    parser.add_argument("--compile", default="never", choices=["never", "always"])
    options = parser.parse_args()
    try:
        with redirect_stdout(sys.stderr):  # the peer's trainer prints as it goes
            found = _found(options)
    except EmmError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(json.dumps(found) + "\n")


def _found(options: argparse.Namespace) -> dict[str, Any]:
    setting = read_setting(options.model, options.threads, _SEED, options.compile)
    runner = _runner(options.library, setting)
    batch_size, rows = setting.schedule.batch_size, len(setting.bench.train)
    used = min(rows, options.batches * batch_size) if options.batches else rows
    runner.train(options.warm_up * batch_size)()
    phases = {"training": _rates(runner.train(used), used, options.repeats)}
    for size in (batch_size, EVALUATION_ROWS):
        rates = _rates(runner.predict(size), len(setting.bench.validation), options.repeats)
        phases[f"prediction by {size:,}"] = rates
    auc = _auc(options, setting) if options.epochs else None
    return {"parameters": runner.parameters, "rows_per_second": phases, "auc": auc}


def _runner(library: str, setting: Setting) -> Runner:
    if library == "emm":
        return emm_runner(setting)
    from benchmarks.rechub import rechub_runner

    return rechub_runner(setting)


def _rates(timed: Timed, rows: int, repeats: int) -> list[float]:
    """Rows a second of each repeat."""
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        timed()
        rates.append(rows / (time.perf_counter() - start))
    return rates


def _auc(options: argparse.Namespace, setting: Setting) -> dict[str, float]:
    """AUC on validation of a fresh model after so many epochs."""
    runner = _runner(options.library, setting)
    train = runner.train(len(setting.bench.train))
    for _ in range(options.epochs):
        train()
    return dict(zip(setting.bench.schema.tasks, runner.scores(), strict=True))


if __name__ == "__main__":
    main()
