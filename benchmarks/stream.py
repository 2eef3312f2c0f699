"""Training speed and peak memory with processed data in memory and streamed from its file.

    python -m benchmarks.stream --rows 1000000 --seconds 20

The same MMoE is trained in both ways on generated processed data. Streaming may use an eighth of
the memory of the data's tensors, or ``--memory-gib``. Each run has its own process.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.generated_schema import generated_schema
from benchmarks.results import add_out, save
from emm.data.tables.loading import SplitFile, columns_of
from emm.data.tables.memory import GIB, open_splits
from emm.data.tables.names import GROUP, GROUPS, label_column
from emm.data.tables.rows import Rows, RowTensors
from emm.data.tables.schema import Schema
from emm.models.mmoe import MMoE
from emm.training.devices import use_device
from emm.training.fit import predict, train_epoch
from emm.training.optimisers import Optimisation, Stepper
from emm.training.seeds import order_generator, seed_init
from emm.training.store import inputs_of
from emm.training.weighting import make_weighting

_DENSE, _SPARSE, _IDS, _TASKS = 8, 24, 1_000, 2
_BLOCK = 1_000_000
_MODEL = {"embedding_dim": 8, "experts": 4, "expert": [64, 32], "tower": [16], "dropout": 0.1}


@dataclass(frozen=True)
class Measured:
    """Rows/s of training and prediction, and peak memory in GiB."""

    data: str
    training: float
    prediction: float
    peak_gib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of training, in each way")
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--memory-gib", type=float, help="memory for streamed data")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    add_out(parser)
    parser.add_argument(
        "--rounds", type=int, default=2, help="runs of each kind, of which the fastest counts"
    )
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate or options.measure:
        found = asdict(_measure(options)) if options.measure else generate(options)
        sys.stdout.write(json.dumps(found))
        return
    with TemporaryDirectory() as folder:
        # In another process: the peak of a child includes the size of the process that starts it.
        size = float(_child("--generate", folder, "--rows", options.rows))
        memory = options.memory_gib or size / 8
        rounds = [
            [_run(options, folder, gib) for gib in (2 * size, memory)]
            for _ in range(options.rounds)
        ]
    runs = [max(each, key=lambda run: run.training) for each in zip(*rounds, strict=True)]
    Console().print(_table(runs))
    record = {
        "device": options.device,
        "threads": options.threads,
        "rows": options.rows,
        "gib": size,
        "memory_gib": memory,
        "runs": [asdict(run) for run in runs],
    }
    save(options.out, "stream", record)


def schema() -> Schema:
    """The schema of the generated data."""
    return generated_schema([f"t{n}" for n in range(_TASKS)], _DENSE, [_IDS] * _SPARSE)


def generate(options: argparse.Namespace) -> float:
    """Write train and groups.parquet like preprocessing; returns the size of its tensors in GiB."""
    folder, rows = options.generate, options.rows
    about, generator, parts = schema(), np.random.default_rng(0), []
    for number, start in enumerate(range(0, rows, _BLOCK)):
        size = min(_BLOCK, rows - start)
        frame = {name: generator.random(size, dtype=np.float32) for name in about.dense_names}
        for name in about.sparse_names:
            frame[name] = (_IDS * generator.random(size) ** 3).astype(np.int32)
        for task in about.tasks:
            frame[label_column(task)] = (frame["x0"] > generator.random(size)).astype(np.uint8)
        parts.append(folder / f"part-{number}.parquet")
        pl.DataFrame(frame).write_parquet(parts[-1])
    pl.scan_parquet(parts).sink_parquet(folder / "train.parquet")
    groups = pl.int_range(rows, dtype=pl.Int32, eager=True).alias(GROUP)
    groups.to_frame().write_parquet(folder / GROUPS)
    return rows * SplitFile(folder / "train.parquet", columns_of(about)).columns.row_bytes / GIB


def _run(options: argparse.Namespace, folder: str, memory: float) -> Measured:
    values: dict[str, object] = {
        "--measure": folder,
        "--memory-gib": memory,
        "--seconds": options.seconds,
        "--batch-size": options.batch_size,
        "--device": options.device,
        "--threads": options.threads,
    }
    arguments = [argument for pair in values.items() for argument in pair]
    return Measured(**json.loads(_child(*arguments)))


def _child(*arguments: object) -> str:
    """The output of this program when called with ``arguments``."""
    command = [sys.executable, "-m", "benchmarks.stream", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _measure(options: argparse.Namespace) -> Measured:
    device = use_device(options.device, options.threads)
    about = schema()
    splits = open_splits(options.measure, ["train"], about, device, memory_gib=options.memory_gib)
    rows = splits["train"]
    seed_init(0)
    model = MMoE(inputs_of(about), _TASKS, **_MODEL).to(device)
    trained = _train(model, rows, options.batch_size, options.seconds)
    start = time.perf_counter()
    predict(model, rows).cpu()
    predicted = len(rows) / (time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    data = "in memory" if isinstance(rows, RowTensors) else "streamed"
    return Measured(data, trained, predicted, peak)


def _train(model: MMoE, rows: Rows, batch_size: int, seconds: float) -> float:
    """Rows/s of training for a number of seconds, over several epochs if needed."""
    device = rows.labels.device
    weighting = make_weighting(_TASKS, rule="equal").to(device)
    stepper = Stepper(model, [], Optimisation(1e-3, 0.0), 1)
    order = order_generator(0, device)
    start, used = time.perf_counter(), 0

    def until_the_end(batches: Iterator[RowTensors]) -> Iterator[RowTensors]:
        nonlocal used
        for batch in batches:
            yield batch
            used += len(batch)
            if time.perf_counter() - start > seconds:
                return

    while time.perf_counter() - start < seconds:
        batches = until_the_end(rows.shuffled(batch_size, order))
        train_epoch(model, rows, batches, weighting, stepper)
    return used / (time.perf_counter() - start)


def _table(runs: list[Measured]) -> Table:
    table = Table("data", "training rows/s", "ratio", "prediction rows/s", "ratio", "peak GiB")
    first = runs[0]
    for run in runs:
        table.add_row(
            run.data,
            f"{run.training:,.0f}",
            f"{run.training / first.training:.2f}",
            f"{run.prediction:,.0f}",
            f"{run.prediction / first.prediction:.2f}",
            f"{run.peak_gib:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
