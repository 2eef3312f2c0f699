"""Cost of a step of the supernet as more and more of its operators are fixed.

    python -m benchmarks.automtl

Operations are counted; rows/s are measured, which needs an idle machine.
"""

import argparse
import time
from collections.abc import Iterator

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from emm.automtl.discretise import open_choices
from emm.automtl.settings import SearchSettings
from emm.automtl.state import SearchState, fix_until, start, take_step
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import FORMAT, Schema, SparseColumn
from emm.nn.mlp import count_parameters
from emm.training.context import TrainingContext
from emm.training.store import inputs_of

FIELDS, CARDINALITY, TASKS = 40, 50, 3
FIXED = (0, 10, 20, 24)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2048, help="per batch")
    parser.add_argument(
        "--steps", type=int, default=5, help="measured for each number of fixed operators; 0: none"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = Table(
        "choices open",
        "parameters",
        "GFLOP, step of weights",
        "GFLOP, step of the architecture",
        "rows/s",
    )
    for row in _stages(options.rows, options.steps):
        table.add_row(*row)
    Console().print(table)


def _stages(rows: int, steps: int) -> Iterator[tuple[str, ...]]:
    run = _run(rows)
    batch = next(run.rows["weights"].in_order(rows))
    with torch.no_grad():
        for choice in open_choices(run.supernet).values():
            choice.alpha.normal_()
    for count in FIXED:
        fix_until(run, count)
        gflop = [_gflop(run, name, batch) for name in ("weights", "architecture")]
        size = count_parameters(run.supernet)
        still_open = len(open_choices(run.supernet))
        speed = f"{_rate(run, batch, steps):,.0f}" if steps else "-"
        yield str(still_open), f"{size:,}", *(f"{each:.1f}" for each in gflop), speed


def _gflop(run: SearchState, name: str, batch: RowTensors) -> float:
    with FlopCounterMode(display=False) as counter:
        take_step(run, batch, name)
    return counter.get_total_flops() / 1e9


def _rate(run: SearchState, batch: RowTensors, steps: int) -> float:
    """Rows/s of alternating steps of the weights and the architecture."""
    start = time.perf_counter()
    for _ in range(steps):
        take_step(run, batch, "weights")
        take_step(run, batch, "architecture")
    return 2 * steps * len(batch) / (time.perf_counter() - start)


def _run(rows: int) -> SearchState:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, CARDINALITY, (2 * rows, FIELDS), generator=generator).int()
    labels = torch.randint(0, 2, (2 * rows, TASKS), generator=generator).byte()
    data = RowTensors(torch.zeros(2 * rows, 0), ids, labels)
    names = [f"field-{number}" for number in range(FIELDS)]
    schema = Schema(
        format=FORMAT,
        dataset="generated",
        title="",
        licence="",
        origin="",
        tasks=tuple(f"task-{number}" for number in range(TASKS)),
        key=None,
        weight=None,
        dense=(),
        sparse=tuple(SparseColumn(name, CARDINALITY, 0, constant=False) for name in names),
        splits={},
        vocabularies={},
    )
    device = torch.device("cpu")
    context = TrainingContext(schema, "", inputs_of(schema), data, data, device, "paper")
    settings = SearchSettings(batch_size=rows)
    return start(context, settings, {"embedding_dim": 16})


if __name__ == "__main__":
    main()
