"""Processor time of commands that do little: what every stage and every check waits for first.

    python -m benchmarks.start_up
    python -m benchmarks.start_up --other /path/to/another/checkout

The commands take turns, so that other work on the machine changes their ratios little. Both
checkouts need the results of `make repro`, and use this environment. Processor time is that of the
command and of all processes that it has started; seconds are those on the clock.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.results import add_out, save

_ROOT = Path(__file__).resolve().parents[1]
_EMM = (sys.executable, "-c", "from emm.commands.cli import main; main()")
_DVC = (sys.executable, "-m", "dvc")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "import torch": (sys.executable, "-c", "import torch"),
    "preprocess --help": (sys.executable, "stages/preprocess.py", "--help"),
    "train --help": (sys.executable, "stages/train.py", "--help"),
    "evaluate --help": (sys.executable, "stages/evaluate.py", "--help"),
    "report --help": (sys.executable, "stages/report.py", "--help"),
    "evaluate mmoe": (sys.executable, "stages/evaluate.py", "census-income", "mmoe"),
    "evaluate gbdt": (sys.executable, "stages/evaluate.py", "census-income", "gbdt"),
    "emm check": (*_EMM, "check"),
    "dvc repro, nothing to do": (*_DVC, "repro"),
    "emm repro, nothing to do": (*_EMM, "repro"),
    "emm repro --dry": (*_EMM, "repro", "--dry"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--other", type=Path, help="a checkout to compare this one with")
    parser.add_argument("--only", nargs="+", choices=[*COMMANDS], default=[*COMMANDS])
    add_out(parser)
    options = parser.parse_args()
    checkouts = [_ROOT, *([options.other.resolve()] if options.other else [])]
    found: dict[str, list[list[tuple[float, float]]]] = {
        name: [[] for _ in checkouts] for name in options.only
    }
    for _ in range(options.rounds):
        for name, measured in found.items():
            for checkout, own in zip(checkouts, measured, strict=True):
                own.append(_run(COMMANDS[name], checkout))
    Console().print(_table(found, [each.name for each in checkouts]))
    save(options.out, "start-up", {"rounds": options.rounds, "commands": found})


def _run(command: tuple[str, ...], checkout: Path) -> tuple[float, float]:
    """Seconds of processor time, and on the clock."""
    variables = {"PYTHONPATH": str(checkout / "src"), "DVC_NO_ANALYTICS": "1"}
    before, start = os.times(), time.perf_counter()
    subprocess.run(
        command,
        cwd=checkout,
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seconds, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system
    return used - before.children_user - before.children_system, seconds


def _table(found: Mapping[str, list[list[tuple[float, float]]]], checkouts: list[str]) -> Table:
    table = Table("command", *(f"{name}: {what}" for name in checkouts for what in ("CPU s", "s")))
    for name, measured in found.items():
        medians = [median(part) for own in measured for part in zip(*own, strict=True)]
        table.add_row(name, *(f"{each:.2f}" for each in medians))
    return table


if __name__ == "__main__":
    main()
