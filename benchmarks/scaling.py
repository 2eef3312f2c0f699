"""Training speed by rows, batch size, experts and tasks, and compared with the machine's limits.

    python -m benchmarks.scaling --rows 100000 --rows 1000000 --rows 10000000

MMoE trains on generated rows in the shape of Ali-CCP (23 sparse fields, 8 dense), on the CPU or on
CUDA. A matrix product and a memory copy are measured in the same run.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.results import add_out, save
from emm.core.process import keep_freed_memory
from emm.data.tables.rows import RowTensors
from emm.models.mmoe import MMoE
from emm.nn.inputs import Inputs
from emm.training.fit import train_epoch
from emm.training.optimisers import Optimisation, Stepper
from emm.training.weighting import make_weighting

_FIELDS, _DENSE = 23, 8


@dataclass(frozen=True)
class Setting:
    """What is measured: rows, batch size, and sizes of the model."""

    rows: int = 1_000_000
    batch_size: int = 4096
    experts: int = 8
    tasks: int = 2
    ids: int = 100_000


@dataclass(frozen=True)
class Measured:
    """Training speed in rows/s, and as a share of the rate of a large matrix product."""

    setting: Setting
    rows_per_second: float
    matmul_share: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append", help="may be repeated")
    parser.add_argument("--timed", type=int, default=131_072, help="rows per timed training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add_out(parser)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    matmul, copy = _matmul_rate(device), _copy_rate(device)
    found = [
        _measure(setting, options.timed, device, matmul)
        for setting in _settings(options.rows or [100_000, 1_000_000])
    ]
    Console().print(_table(found))
    Console().print(f"matmul {matmul / 1e9:,.0f} GFLOP/s, copy {copy / 2**30:,.1f} GiB/s")
    record = {
        "device": options.device,
        "threads": options.threads,
        "matmul_flops": matmul,
        "copy_bytes": copy,
        "runs": [asdict(each) for each in found],
    }
    save(options.out, "scaling", record)


def _settings(rows: list[int]) -> Iterator[Setting]:
    """The base setting with one change at a time."""
    base = Setting()
    yield from (replace(base, rows=count) for count in rows)
    yield from (replace(base, batch_size=size) for size in (512, 1024, 16_384, 32_768))
    yield from (replace(base, experts=count) for count in (2, 4, 16, 32))
    yield from (replace(base, tasks=count) for count in (1, 4, 8))


def _measure(setting: Setting, timed: int, device: torch.device, matmul: float) -> Measured:
    rows = _rows(setting).to(device)
    inputs = Inputs(_DENSE, (setting.ids // _FIELDS,) * _FIELDS)
    model = MMoE(
        inputs,
        setting.tasks,
        embedding_dim=8,
        experts=setting.experts,
        expert=[64],
        tower=[32],
        dropout=0.0,
    ).to(device)
    weighting = make_weighting(setting.tasks).to(device)
    stepper = Stepper(model, [], Optimisation(0.001, 0.0), 1)
    order = torch.Generator(device).manual_seed(0)
    used = rows.part(0, min(setting.rows, timed))
    count = -(-len(used) // setting.batch_size)

    def seconds() -> float:
        batches = _batches(rows, setting.batch_size, count, order)
        return _seconds(lambda: train_epoch(model, used, batches, weighting, stepper), device)

    seconds()
    rate = len(used) / median(seconds() for _ in range(3))
    with FlopCounterMode(display=False) as counter:
        train_epoch(model, used, [rows.part(0, setting.batch_size)], weighting, stepper)
    flops = counter.get_total_flops() / min(setting.batch_size, setting.rows)
    return Measured(setting, rate, rate * flops / matmul)


def _batches(
    rows: RowTensors, size: int, count: int, order: torch.Generator
) -> Iterator[RowTensors]:
    """The first ``count`` batches of an epoch over all rows.

    The first batch is drawn right away, because with it all rows are shuffled, once per epoch.
    """
    epoch = rows.shuffled(size, order)
    return chain([next(epoch)], islice(epoch, count - 1))


def _rows(setting: Setting) -> RowTensors:
    generator = torch.Generator().manual_seed(0)
    dense = torch.rand(setting.rows, _DENSE, generator=generator)
    spread = torch.rand(setting.rows, _FIELDS, generator=generator)
    sparse = (spread.pow(4) * (setting.ids // _FIELDS)).int()  # small ids are common
    labels = (torch.rand(setting.rows, setting.tasks, generator=generator) < 0.1).byte()
    return RowTensors(dense, sparse, labels)


def _matmul_rate(device: torch.device, size: int = 1024) -> float:
    """Multiplications and additions per second of a float32 matrix product."""
    a, b = (torch.rand(size, size, device=device) for _ in range(2))
    return float(2 * size**3 / min(_seconds(lambda: a @ b, device) for _ in range(20)))


def _copy_rate(device: torch.device, size: int = 2**28) -> float:
    """Bytes per second that are copied within the device's memory."""
    a = torch.empty(size, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return size / min(_seconds(lambda: b.copy_(a), device) for _ in range(5))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _table(found: list[Measured]) -> Table:
    table = Table("rows", "batch", "experts", "tasks", "rows/s", "of the matmul's rate")
    for each in found:
        setting = each.setting
        sizes = (setting.rows, setting.batch_size, setting.experts, setting.tasks)
        shown = [f"{size:,}" for size in sizes]
        table.add_row(*shown, f"{each.rows_per_second:,.0f}", f"{each.matmul_share:.0%}")
    return table


if __name__ == "__main__":
    main()
