"""Speed and memory of predicting new rows: with an exported model, with torch, from CSV files.

    python -m benchmarks.predict census-income/paper/mmoe census-income/paper/emm

Every model is exported first. In memory, the ways to predict take turns in one process, on one
thread (`predict_ways`). Then `emm predict` reads generated CSV files, with the trained model and
with the exported one; the first model reads all of them, the others only the smallest. torch-rechub
exports its own MMoE, of the same sizes as ours, if it is installed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import add_out, save

_ROOT = Path(__file__).resolve().parents[1]
_MODELS = [f"census-income/paper/{name}" for name in ("shared_bottom", "mmoe", "emm")]
_SIZES = [200_000, 2_000_000, 10_000_000]

Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="*", default=_MODELS, help="dataset/recipe/model, all of one dataset"
    )
    parser.add_argument("--project", type=Path, default=_ROOT, help="folder with data/")
    parser.add_argument("--rows", type=int, default=50_000, help="in memory")
    parser.add_argument("--repeats", type=int, default=3, help="rounds in memory")
    parser.add_argument("--file-rows", type=int, action="append", help="may be repeated")
    parser.add_argument("--folder", type=Path, help="parent of the temporary folder")
    add_out(parser)
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as scratch:
        found: Found = {name: {} for name in options.models}
        bundles = {name: _export(name, options, Path(scratch)) for name in found}
        for name, bundle in bundles.items():
            words = options.project, name, bundle, "--rows", options.rows
            output = _python("benchmarks.predict_ways", *words, "--repeats", options.repeats)
            found[name] |= json.loads(output.splitlines()[-1]) | {"files": []}
        for rows in sorted(options.file_rows or _SIZES):
            _read_files(rows, bundles, found, options, Path(scratch))
    console = Console()
    for table in (_ways(found), _singles(found), _files(found)):
        console.print(table)
    save(options.out, "predict", {"onnxruntime": version("onnxruntime"), "models": found})


def _export(name: str, options: argparse.Namespace, scratch: Path) -> Path:
    out = scratch / name.replace("/", "-")
    _run(["export", name, "--out", str(out)], options.project)
    return out


def _read_files(
    rows: int, bundles: dict[str, Path], found: Found, options: argparse.Namespace, scratch: Path
) -> None:
    """Predict a file of this many rows, the first time with every model."""
    path, first = scratch / "rows.csv", next(iter(bundles))
    processed = options.project.resolve() / "data/processed" / first.partition("/")[0]
    # In another process: the peak of a child includes the size of the process that starts it.
    _python("benchmarks.predict_files", processed, path, "--rows", rows)
    os.sync()  # otherwise the file is still being written to disk during the first run
    for name in [first] if found[first]["files"] else [*found]:
        for way, model in {"torch": name, "onnxruntime": str(bundles[name])}.items():
            out = scratch / "out.parquet"
            run = _run(["predict", model, str(path), "--out", str(out)], options.project)
            found[name]["files"].append(
                {"with": way, "rows": rows, "gib": round(path.stat().st_size / 2**30, 3), **run}
            )
            out.unlink()
    path.unlink()


def _run(words: list[str], project: Path) -> Found:
    """Run `emm` in the project: seconds on the clock and of the processor, and peak memory."""
    emm = shutil.which("emm") or sys.exit("error: there is no command emm\n  next: make setup")
    Console(stderr=True).print("emm", *words)
    start = time.perf_counter()
    process = subprocess.Popen([emm, *words], cwd=project, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: emm {' '.join(words)} failed")
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_gib": round(used.ru_maxrss / 2**20, 3),  # Linux counts in KiB
    }


def _python(module: str, *arguments: object) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    Console(stderr=True).print(module, *arguments)
    done = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _ways(found: Found) -> Table:
    table = Table("model", "in batches", "rows by processor second")
    for model, about in found.items():
        for way, rates in about["rows_per_second"].items():
            table.add_row(model, way, f"{median(rates):,.0f}")
    return table


def _singles(found: Found) -> Table:
    table = Table("model", "one row", "processor, ms", "clock, ms", "99th percentile, ms")
    for model, about in found.items():
        for way, times in about["single_ms"].items():
            shown = (times[key] for key in ("processor_p50", "clock_p50", "clock_p99"))
            table.add_row(model, way, *(f"{each:.3f}" for each in shown))
    return table


def _files(found: Found) -> Table:
    table = Table("model", "with", "rows", "GiB", "rows/s", "by processor second", "peak, GiB")
    for model, about in found.items():
        for run in about["files"]:
            rates = (run["rows"] / run[key] for key in ("seconds", "processor_seconds"))
            table.add_row(
                model,
                run["with"],
                f"{run['rows']:,}",
                f"{run['gib']:.2f}",
                *(f"{rate:,.0f}" for rate in rates),
                f"{run['peak_gib']:.2f}",
            )
    return table


if __name__ == "__main__":
    main()
