"""One epoch over as many rows as Ali-CCP has, streamed: rows/s, processor time, peak memory.

    python -m benchmarks.scale --rows 1000000 --rows 42300000

MMoE and EMM train for one epoch on generated rows (`benchmarks.ali_ccp_rows`), by one process and
by two that share each batch. At most ``--memory-gib`` of rows are in memory. The cost per row with
more rows is compared with that of the first number of rows. A row takes 100 bytes on disk, twice
that while the rows are written. With ``--add``, earlier results of other runs are kept, so that the
parts can be measured one at a time.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import add_out, save

_ROOT = Path(__file__).resolve().parents[1]
_PROGRAM = "scale"
MODELS = ("mmoe", "emm")


@dataclass(frozen=True)
class Measured:
    """One epoch. Processor seconds are those of all processes together; ``peak_gib`` that of the
    largest."""

    model: str
    rows: int
    processes: int
    seconds: float
    processor_seconds: float
    peak_gib: float
    loss: float

    @property
    def run(self) -> tuple[str, int, int]:
        """What was run."""
        return self.model, self.rows, self.processes

    @property
    def microseconds(self) -> float:
        """Processor time per row."""
        return 1e6 * self.processor_seconds / self.rows


def main() -> None:
    options = _options()
    if options.generate or options.measure:
        _in_child(options)
        return
    found = _earlier(options) if options.add else []
    for rows in options.rows:
        with TemporaryDirectory(dir=options.folder) as folder:
            # In another process: the peak of a child includes the size of the one that starts it.
            _children(1, "--generate", folder, "--rows", rows, "--ids", options.ids)
            for each in _measured(options, folder, rows):
                found = _in_order([*(old for old in found if old.run != each.run), each])
                save(options.out, _PROGRAM, _record(options, found))  # an epoch takes long
    Console().print(_table(found))


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    names = ("threads", "batch_size", "optimiser", "ids", "memory_gib")
    return {name: getattr(options, name) for name in names}


def _record(options: argparse.Namespace, found: Sequence[Measured]) -> dict[str, Any]:
    return {**_settings(options), "runs": [asdict(each) for each in found]}


def _earlier(options: argparse.Namespace) -> list[Measured]:
    """The runs in the file of results; exits if they have other settings."""
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    wanted = _settings(options)
    part = results.get(_PROGRAM, {**wanted, "runs": []})
    if {name: part[name] for name in wanted} != wanted:
        sys.exit(f"error: {options.out} has runs with other settings\n  next: leave out --add")
    return [Measured(**run) for run in part["runs"]]


def _in_order(found: Sequence[Measured]) -> list[Measured]:
    return sorted(found, key=lambda each: (each.rows, MODELS.index(each.model), each.processes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append", help="may be repeated")
    parser.add_argument("--model", action="append", choices=MODELS, help="may be repeated")
    parser.add_argument("--processes", type=int, action="append", help="may be repeated")
    parser.add_argument("--threads", type=int, default=2, help="of all processes together")
    parser.add_argument("--batch-size", type=int, default=32_768)
    parser.add_argument("--optimiser", default="adam", choices=["adam", "lazy-adam"])
    parser.add_argument("--ids", type=int, default=1_200_000, help="of all fields together")
    parser.add_argument("--memory-gib", type=float, default=1.0, help="for rows in memory")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, help="for the generated rows; default: /tmp")
    parser.add_argument("--add", action="store_true", help="keep earlier results of other runs")
    add_out(parser)
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rows = options.rows or [1_000_000]
    return options


def _measured(options: argparse.Namespace, folder: str, rows: int) -> Iterator[Measured]:
    for model in options.model or MODELS:
        for processes in options.processes or (1, 2):
            runs = _children(
                processes,
                *("--measure", folder, "--rows", rows, "--model", model, "--ids", options.ids),
                *("--threads", max(options.threads // processes, 1)),
                *("--batch-size", options.batch_size, "--optimiser", options.optimiser),
                *("--memory-gib", options.memory_gib / processes, "--device", options.device),
            )
            each = Measured(
                model,
                rows,
                processes,
                seconds=max(run["seconds"] for run in runs),
                processor_seconds=sum(run["processor_seconds"] for run in runs),
                peak_gib=max(run["peak_gib"] for run in runs),
                loss=runs[0]["loss"],
            )
            Console(stderr=True).print(each)
            yield each


def _children(processes: int, *words: object) -> list[dict[str, float]]:
    """The output of this program in each of several connected processes."""
    command = [sys.executable, "-m", f"benchmarks.{_PROGRAM}", *map(str, words)]
    started = [
        subprocess.Popen(
            command, cwd=_ROOT, env=os.environ | own, stdout=subprocess.PIPE, text=True
        )
        for own in _environments(processes)
    ]
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit("error: a run failed; its error is above")
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def _environments(processes: int) -> Sequence[dict[str, str]]:
    """What torchrun sets; nothing for a single process."""
    if processes == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(processes)}
    return [{**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def _in_child(options: argparse.Namespace) -> None:
    from benchmarks.ali_ccp_rows import write

    if options.generate:
        write(options.generate, options.rows[0], options.ids)
        sys.stdout.write("{}\n")
        return
    sys.stdout.write(json.dumps(_epoch(options)) + "\n")


def _epoch(options: argparse.Namespace) -> dict[str, float]:
    """Train for one epoch, as `emm.training.fit` does."""
    from benchmarks.ali_ccp_models import build
    from benchmarks.ali_ccp_rows import TASKS, schema
    from emm.core.process import keep_freed_memory
    from emm.data.tables.memory import open_splits
    from emm.training.devices import use_device
    from emm.training.distributed import distribute, join_processes
    from emm.training.fit import train_epoch
    from emm.training.forward import forward_of
    from emm.training.optimisers import Optimisation, Stepper
    from emm.training.seeds import order_generator
    from emm.training.store import inputs_of
    from emm.training.weighting import make_weighting

    keep_freed_memory()
    device = use_device(options.device, options.threads)
    join_processes(device)
    about = schema(options.ids)
    rows = open_splits(options.measure, ["train"], about, device, memory_gib=options.memory_gib)[
        "train"
    ]
    model = build(options.model[0], inputs_of(about)).to(device)
    weighting = make_weighting(len(TASKS)).to(device)
    stepper = Stepper(model, [], Optimisation(1e-3, 0.0, options.optimiser), 1)
    batches = rows.shuffled(options.batch_size, order_generator(0, device))
    forward = forward_of(model, wrap=distribute)
    start, used = time.perf_counter(), time.process_time()
    loss = train_epoch(model, rows, batches, weighting, stepper, forward)
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - used,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "loss": loss,
    }


def _table(found: Sequence[Measured]) -> Table:
    table = Table(
        *("model", "processes", "rows", "rows/s", "µs of processor time per row"),
        *("of that with the first rows", "peak GiB"),
    )
    first = {(each.model, each.processes): each for each in reversed(found)}
    for each in found:
        ratio = each.microseconds / first[each.model, each.processes].microseconds
        table.add_row(
            *(each.model, str(each.processes), f"{each.rows:,}"),
            f"{each.rows / each.seconds:,.0f}",
            *(f"{each.microseconds:.1f}", f"{ratio:.2f}", f"{each.peak_gib:.2f}"),
        )
    return table


if __name__ == "__main__":
    main()
