"""Time of a training step, by part of the step and by operation.

    python -m benchmarks.step_profile mmoe

Measured on the processed rows of Census-Income with the sizes of the paper recipe, on the CPU. The
parts are timed without the profiler, whose overhead is included in the operations.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch._inductor.config
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from benchmarks.model_runners import (
    Setting,
    emm_forward,
    emm_model,
    emm_runner,
    emm_stepper,
    read_setting,
)
from emm.training.seeds import order_generator

_SEED, _WARM_UP = 0, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="mmoe")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="compile the steps")
    parser.add_argument("--operations", type=int, default=16, help="number of operations to show")
    parser.add_argument("--shapes", action="store_true", help="distinguish operations by shapes")
    options = parser.parse_args()
    if options.compile:
        torch._inductor.config.cpp.enable_kernel_profile = True  # names generated loops
    compile_ = "always" if options.compile else "never"
    setting = read_setting(options.model, options.threads, _SEED, compile_)
    console = Console()
    console.print(_table("part of a step", _parts(setting, options.steps), options.steps))
    operations, calls = _operations(setting, options.steps, options.shapes)
    shown = Counter(dict(operations.most_common(options.operations)))
    shown["all others"] = operations.total() - shown.total()
    console.print(_table("operation", shown, options.steps, calls))


def _parts(setting: Setting, steps: int) -> Counter[str]:
    """Seconds of each part of the loop in `emm.training.fit.train_epoch`."""
    model = emm_model(setting).train()
    weighting, stepper = emm_stepper(setting, model)
    forward = emm_forward(setting, model)
    order = order_generator(_SEED, torch.device("cpu"))
    spent: Counter[str] = Counter()

    @contextmanager
    def part(name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent[name] += time.perf_counter() - start

    batches = setting.context.train.shuffled(setting.schedule.batch_size, order)
    for number in range(_WARM_UP + steps):
        if number == _WARM_UP:
            spent.clear()
        with part("batch"):
            batch = next(batches)
        with part("forward, losses"):
            losses = forward(batch)
        stepper.zero_grad()
        with part("backward"):
            weighting.backward(losses.tasks, stepper.weights, losses.penalty, losses.present)
        with part("optimiser"):
            stepper.step()
    return spent


def _operations(setting: Setting, steps: int, shapes: bool) -> tuple[Counter[str], dict[str, int]]:
    """Seconds in each operation itself, and its number of calls."""
    runner = emm_runner(setting)
    runner.train(_WARM_UP * setting.schedule.batch_size)()
    timed = runner.train(steps * setting.schedule.batch_size)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=shapes) as profiler:
        timed()
    seconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in profiler.key_averages(group_by_input_shape=shapes):
        inputs = [shape for shape in event.input_shapes if shape] if shapes else ""
        name = f"{event.key} {inputs}".strip()
        seconds[name] += event.self_cpu_time_total / 1e6
        calls[name] += event.count
    return seconds, calls


def _table(
    title: str, seconds: Counter[str], steps: int, calls: dict[str, int] | None = None
) -> Table:
    table = Table(title, "microseconds a step", "share", "calls a step")
    for name, spent in seconds.items():
        count = f"{calls[name] / steps:.1f}" if calls and name in calls else ""
        table.add_row(name, f"{1e6 * spent / steps:,.0f}", f"{spent / seconds.total():.1%}", count)
    return table


if __name__ == "__main__":
    main()
