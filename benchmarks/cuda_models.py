"""One measurement on a GPU in this process, for `benchmarks.cuda`; the result is a line of JSON.

    python -m benchmarks.cuda_models limits
    python -m benchmarks.cuda_models model mmoe --compile --precision bfloat16
    python -m benchmarks.cuda_models seeds mmoe --models 5
    python -m benchmarks.cuda_models peer mmoe

Rows are those of `benchmarks.ali_ccp_rows`, on the device. With ``--device cpu`` and few rows it
also runs on a CPU, where its numbers mean little.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ali_ccp_models import SIZES, build
from benchmarks.ali_ccp_rows import IDS, TASKS, inputs, schema, tensors
from benchmarks.traffic import TrafficMode
from emm.data.tables.rows import RowTensors
from emm.training.compiling import choose_forward
from emm.training.devices import use_device
from emm.training.fit import Schedule, predict, train_epoch
from emm.training.forward import forward_of
from emm.training.optimisers import Optimisation, Stepper
from emm.training.seeds import order_generator
from emm.training.vectorised import StackedModel, fit_vectorised
from emm.training.weighting import make_weighting

_WARM_UP = 6  # steps; compiled steps are recorded as graphs in the first three
_PEER_BATCHES = 4
_ADAM = Optimisation(1e-3, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(_MEASURES))
    parser.add_argument("name", nargs="?", default="mmoe", choices=sorted(SIZES))
    parser.add_argument("--compile", action="store_true", help="steps, as graphs that are replayed")
    parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bfloat16"])
    parser.add_argument("--models", type=int, default=5, help="that train in one pass")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--ids", type=int, default=IDS)
    parser.add_argument("--batch-size", type=int, default=32_768)
    parser.add_argument("--seconds", type=float, default=5.0, help="of timed training")
    options = parser.parse_args()
    threads = 1 if options.device == "cpu" else 8
    device = use_device(options.device, threads, tf32=options.precision == "tf32")
    sys.stdout.write(json.dumps(_MEASURES[options.what](options, device)) + "\n")


def _limits(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Bytes/s read and written by a copy, and multiplications and additions/s of a product."""
    on_gpu = device.type == "cuda"
    size, side = (2**31, 8192) if on_gpu else (2**26, 512)
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found = {"copy_bytes": 2 * size / _fastest(lambda: target.copy_(source), device)}
    for precision in ("float32", "tf32", "bfloat16"):
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
        seconds = _fastest(lambda a=a, b=b: a @ b, device)
        found[f"{precision}_flops"] = 2 * side**3 / seconds
    return found


def _model(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Training and prediction of one model; what a step multiplies and moves, per row."""
    rows = tensors(options.rows, options.ids).to(device)
    model = build(options.name, inputs(options.ids)).to(device)
    plain = forward_of(model, options.precision)
    weighting = make_weighting(len(TASKS)).to(device)
    stepper = Stepper(model, [], _ADAM, 1)
    size = options.batch_size
    forward = choose_forward(
        plain,
        "always" if options.compile else "never",
        batch_size=size,
        steps=10**6,
        device=device,
    )

    def train(batches: Iterable[RowTensors]) -> None:
        train_epoch(model, rows, batches, weighting, stepper, forward)

    trained = _rate(train, rows, size, options.seconds, device)
    predict(model, rows.part(0, size))
    predicted = len(rows) / _seconds(lambda: predict(model, rows), device)
    # The plain step, as the counters don't see into compiled ones.
    forward = plain
    flops, moved = _work(lambda: train([rows.part(0, size)]), size)
    return {
        "training": trained,
        "prediction": predicted,
        "flops_per_row": flops,
        "bytes_per_row": moved,
        "peak_gib": _peak(device),
    }


def _seeds(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Seconds of an epoch of one model, and of several seeds in one pass."""
    rows = tensors(options.rows, options.ids).to(device)
    shape, found = inputs(options.ids), dict[str, float]()
    validation = rows.part(0, options.batch_size)

    def epochs(count: int, seeds: int) -> None:
        schedule = Schedule(_ADAM, options.batch_size, count, count)
        models = [
            StackedModel(build(options.name, shape, seed).to(device), rows, validation, seed, ())
            for seed in range(seeds)
        ]
        fit_vectorised(models, schedule)

    for seeds in (1, options.models):
        # The difference of three epochs and one: without the first steps and the set-up.
        once = _seconds(partial(epochs, 1, seeds), device)
        found[f"{seeds}_seconds"] = (_seconds(partial(epochs, 3, seeds), device) - once) / 2
    return found


def _peer(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Training by torch-rechub: its model, trainer and loader."""
    from benchmarks.rechub import rechub_epoch

    count = min(options.rows, _PEER_BATCHES * options.batch_size)
    epoch = rechub_epoch(
        options.name,
        tensors(count, options.ids),
        schema(options.ids),
        SIZES[options.name],
        options.batch_size,
        str(device),
    )
    epoch()
    return {"training": count / _seconds(epoch, device)}


def _rate(
    train: Callable[[Iterable[RowTensors]], None],
    rows: RowTensors,
    size: int,
    seconds: float,
    device: torch.device,
) -> float:
    """Rows/s of training for about ``seconds``, after a warm-up; the last, smaller batch of an
    epoch is left out, as it isn't compiled."""
    batches = _full_batches(rows, size, device)
    train(islice(batches, _WARM_UP))
    once = _seconds(lambda: train(islice(batches, _WARM_UP)), device) / _WARM_UP
    count = max(int(seconds / once), 1)
    return count * size / _seconds(lambda: train(islice(batches, count)), device)


def _full_batches(rows: RowTensors, size: int, device: torch.device) -> Iterator[RowTensors]:
    order = order_generator(0, device)
    while True:
        yield from (batch for batch in rows.shuffled(size, order) if len(batch) == size)


def _work(step: Callable[[], None], rows: int) -> tuple[float, float]:
    """Multiplications and additions of a step's products, and bytes its operations read and write,
    per row."""
    with FlopCounterMode(display=False) as counter:
        step()
    with TrafficMode() as traffic:
        step()
    return counter.get_total_flops() / rows, traffic.bytes / rows


def _fastest(work: Callable[[], Tensor], device: torch.device, times: int = 10) -> float:
    work()
    return min(_seconds(work, device) for _ in range(times))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _peak(device: torch.device) -> float:
    """GiB of the device's memory that were in use at most; 0 on the CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0


_MEASURES: dict[str, Callable[[argparse.Namespace, torch.device], dict[str, float]]] = {
    "limits": _limits,
    "model": _model,
    "seeds": _seeds,
    "peer": _peer,
}

if __name__ == "__main__":
    main()
