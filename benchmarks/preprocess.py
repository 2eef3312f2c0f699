"""Speed and peak memory of the preprocessing of Ali-CCP, compared with a plain Python parser.

    python -m benchmarks.preprocess --rows 100000 --rows 1000000 --line-parser-rows 100000

Files are generated in a temporary folder, about 1 kB per row of a part, and removed at the end.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.results import add_out, save

_ROOT = Path(__file__).resolve().parents[1]
_PARTS = 2
_OURS, _LINES = "emm", "line-parser"


@dataclass(frozen=True)
class Measured:
    """One run: ``rows`` of both parts, wall time in seconds, peak memory in GiB."""

    program: str
    rows: int
    raw_gib: float
    seconds: float
    peak_gib: float

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append", help="of each part; may be repeated")
    parser.add_argument(
        "--line-parser-rows",
        type=int,
        default=100_000,
        help="largest number of rows for the line parser, which always runs on the smallest files",
    )
    add_out(parser)
    parser.add_argument("--folder", type=Path, help="parent of the temporary folder")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        program, raw, out = options.measure
        _measured(program, Path(raw), Path(out))
        return
    runs: list[Measured] = []
    sizes = sorted(options.rows or [100_000, 1_000_000])
    for rows in sizes:
        compared = rows <= max(options.line_parser_rows, sizes[0])
        runs += _run_size(rows, [_OURS, _LINES] if compared else [_OURS], options.folder)
    Console().print(_table(runs))
    record = {
        "runs": [{**asdict(run), "rows_per_second": run.rate} for run in runs],
    }
    save(options.out, "preprocess", record)


def _run_size(rows: int, programs: list[str], folder: Path | None) -> list[Measured]:
    console = Console(stderr=True)
    with TemporaryDirectory(dir=folder) as temporary:
        raw = Path(temporary) / "raw"
        console.print(f"generating {rows:,} rows for each part")
        # In another process: the peak of a child includes the size of the process that starts it.
        _python("benchmarks.ali_ccp_files", raw, "--rows", rows)
        os.sync()  # otherwise the files are still being written to disk during the first run
        size = sum(path.stat().st_size for path in raw.iterdir()) / 2**30
        runs = []
        for program in programs:
            console.print(f"{program} on {rows:,} rows for each part")
            with TemporaryDirectory(dir=folder) as out:
                output = _python("benchmarks.preprocess", "--measure", program, raw, out)
            found = json.loads(output.splitlines()[-1])
            runs.append(Measured(program, _PARTS * rows, size, found["seconds"], found["peak_gib"]))
        return runs


def _python(module: str, *arguments: object) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _measured(program: str, raw: Path, out: Path) -> None:
    """Run one program, and print its time and peak memory."""
    run = {_OURS: _emm, _LINES: _line_parser}[program](raw, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts in KiB
    sys.stdout.write(json.dumps({"seconds": run, "peak_gib": peak}) + "\n")


def _emm(raw: Path, out: Path) -> float:
    from emm.data.datasets.ali_ccp import DATASET
    from emm.data.prepare.preprocess import preprocess

    (out / "processed").mkdir()
    start = time.perf_counter()
    preprocess(
        DATASET,
        raw,
        out / "processed",
        tasks=("purchase", "click"),
        seed=0,
        rare_below=10,
        rejected=out / "rejected.jsonl",
    )
    return time.perf_counter() - start


def _line_parser(raw: Path, out: Path) -> float:
    from benchmarks.line_parser import preprocess

    start = time.perf_counter()
    preprocess(raw, out)
    return time.perf_counter() - start


def _table(runs: list[Measured]) -> Table:
    table = Table("rows", "files, GiB", "program", "seconds", "rows/s", "peak, GiB", "ratio")
    lines = {run.rows: run for run in runs if run.program == _LINES}
    for run in runs:
        same = run.rows in lines
        ratio = run.rate / (lines[run.rows] if same else lines[max(lines)]).rate
        table.add_row(
            f"{run.rows:,}",
            f"{run.raw_gib:.2f}",
            run.program,
            f"{run.seconds:.1f}",
            f"{run.rate:,.0f}",
            f"{run.peak_gib:.2f}",
            # In brackets: compared with the line parser on smaller files.
            f"{ratio:.1f}" if same else f"({ratio:.1f})",
        )
    return table


if __name__ == "__main__":
    main()
