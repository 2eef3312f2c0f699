"""Time and extra memory of the metrics over many rows, compared with scikit-learn.

    python -m benchmarks.metrics --rows 1000000 --rows 10000000

Float32 logits with many ties and 5% positives. Each measurement has its own process.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.results import add_out, save
from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.ranking import auc

_GIB = 1 << 30
_BLOCK = 1_000_000
_PEER_ROWS = 10_000_000
_LEVELS = 1 << 16  # distinct scores per unit, so that there are many ties


def _peer_auc(logits: Tensor, labels: Tensor) -> float:
    from sklearn.metrics import roc_auc_score  # only in the process that measures it

    return float(roc_auc_score(labels, logits))


def _peer_log_loss(logits: Tensor, labels: Tensor) -> float:
    from sklearn.metrics import log_loss as sklearn_log_loss

    return float(sklearn_log_loss(labels, logits.double().sigmoid()))


METRICS: dict[str, Callable[[Tensor, Tensor], float]] = {
    "auc": auc,
    "log loss": log_loss,
    "ece": expected_calibration_error,
}
PEERS = {"auc": _peer_auc, "log loss": _peer_log_loss}


@dataclass(frozen=True)
class Measured:
    """The fastest of three calls, and the peak memory in excess of logits and labels."""

    program: str
    metric: str
    rows: int
    seconds: float
    extra_gib: float
    value: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append", help="may be repeated")
    parser.add_argument("--threads", type=int, default=1)
    add_out(parser)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(asdict(_measure(*options.measure, options))))
        return
    runs = []
    for rows in options.rows or [1_000_000, 10_000_000]:
        peers = PEERS if rows <= _PEER_ROWS else {}
        for program, metrics in (("emm", METRICS), ("scikit-learn", peers)):
            runs += [_run(program, metric, rows, options.threads) for metric in metrics]
    Console().print(_table(runs))
    record = {
        "threads": options.threads,
        "runs": [asdict(run) for run in runs],
    }
    save(options.out, "metrics", record)


def drawn(rows: int) -> tuple[Tensor, Tensor]:
    """Logits float32 and labels uint8 [N], drawn in blocks so that the process stays small."""
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.empty(rows), torch.empty(rows, dtype=torch.uint8)
    for logit, label in zip(logits.split(_BLOCK), labels.split(_BLOCK), strict=True):
        label.copy_(torch.rand(len(label), generator=generator) < 0.05)
        score = torch.randn(len(label), generator=generator) + label - 3
        logit.copy_((score * _LEVELS).round() / _LEVELS)
    return logits, labels


def _run(program: str, metric: str, rows: int, threads: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.metrics", "--measure", program, metric]
    command += ["--rows", str(rows), "--threads", str(threads)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return Measured(**json.loads(output))


def _measure(program: str, metric: str, options: argparse.Namespace) -> Measured:
    torch.set_num_threads(options.threads)
    function = (METRICS if program == "emm" else PEERS)[metric]
    (rows,) = options.rows
    function(*drawn(1000))  # a first call for imports
    logits, labels = drawn(rows)
    before, times = _peak(), []
    for _ in range(3):
        start = time.perf_counter()
        value = function(logits, labels)
        times.append(time.perf_counter() - start)
    return Measured(program, metric, rows, min(times), (_peak() - before) / _GIB, value)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _table(runs: list[Measured]) -> Table:
    table = Table("rows", "metric", "program", "seconds", "ratio", "extra GiB", "value")
    ours = {(run.rows, run.metric): run.seconds for run in runs if run.program == "emm"}
    for run in runs:
        table.add_row(
            f"{run.rows:,}",
            run.metric,
            run.program,
            f"{run.seconds:.3f}",
            f"{run.seconds / ours[run.rows, run.metric]:.1f}",
            f"{run.extra_gib:.2f}",
            f"{run.value:.12f}",
        )
    return table


if __name__ == "__main__":
    main()
