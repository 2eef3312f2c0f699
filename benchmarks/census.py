"""Preprocessing of Census-Income, compared with pandas and scikit-learn.

    python -m benchmarks.census --raw data/raw/census-income

Both read the two published files, halve the official test split, encode categories and scale
numbers by statistics of train, and write train, validation and test. The peer does it in the usual
way, with read_csv, LabelEncoder for each column and MinMaxScaler, and saves plain arrays; it counts
no faults and writes no description. Each run has its own process; they take turns, and imports are
not timed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.results import add_out, save
from emm.data.datasets.census_income import COLUMNS, DATASET

_ROOT = Path(__file__).resolve().parents[1]
_OURS, _PEER = "emm", "pandas, scikit-learn"

Work = Callable[[], None]
Seconds = tuple[float, float]
"""On the clock, and of processor time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, default=_ROOT / "data" / "raw" / "census-income")
    parser.add_argument("--repeats", type=int, default=5)
    add_out(parser)
    parser.add_argument("--measure", choices=[_OURS, _PEER], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        with TemporaryDirectory() as folder:
            run = {_OURS: _emm, _PEER: _pandas}[options.measure]
            sys.stdout.write(json.dumps(_seconds(run, options.raw, Path(folder))) + "\n")
        return
    if find_spec("pandas") is None:
        sys.exit("error: pandas isn't installed\n  next: pip install -e '.[bench]'")
    found: dict[str, list[Seconds]] = {_OURS: [], _PEER: []}
    for _ in range(options.repeats):
        for program, runs in found.items():
            runs.append(_run(program, options.raw))
    clock, processor = (
        {name: [run[place] for run in runs] for name, runs in found.items()} for place in (0, 1)
    )
    table = Table("program", "seconds", "ratio", "of processor time", "ratio")
    for name in found:
        row = [text for each in (clock, processor) for text in _compared(each, name)]
        table.add_row(name, *row)
    Console().print(table)
    save(options.out, "census", {"seconds": clock, "processor_seconds": processor})


def _compared(seconds: dict[str, list[float]], name: str) -> tuple[str, str]:
    """Median of a program, and how often it is contained in that of the peer."""
    own = median(seconds[name])
    return f"{own:.2f}", f"{median(seconds[_PEER]) / own:.1f}"


def _run(program: str, raw: Path) -> Seconds:
    command = [sys.executable, "-m", "benchmarks.census", "--measure", program, "--raw", str(raw)]
    done = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True)
    clock, processor = json.loads(done.stdout.splitlines()[-1])
    return clock, processor


def _seconds(run: Callable[[Path, Path], Work], raw: Path, out: Path) -> Seconds:
    """Seconds of the work without its imports, on the clock and of processor time."""
    work = run(raw, out)
    start, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - used


def _emm(raw: Path, out: Path) -> Work:
    from emm.data.prepare.preprocess import preprocess

    (out / "processed").mkdir()
    return lambda: preprocess(
        DATASET,
        raw,
        out / "processed",
        tasks=("income", "never-married"),
        seed=0,
        rare_below=1,
        rejected=out / "rejected.jsonl",
    )


def _pandas(raw: Path, out: Path) -> Work:
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import LabelEncoder, MinMaxScaler

    sparse, dense = list(DATASET.sparse), list(DATASET.dense)
    files = [raw / file.name for file in DATASET.source.files]

    def work() -> None:
        train, other = (
            pd.read_csv(file, header=None, names=COLUMNS, skipinitialspace=True) for file in files
        )
        validation, test = train_test_split(other, test_size=0.5, random_state=0)
        encoders = {name: LabelEncoder().fit(train[name].astype(str)) for name in sparse}
        scaler = MinMaxScaler().fit(train[dense])
        for name, part in (("train", train), ("validation", validation), ("test", test)):
            ids = {
                column: part[column]
                .astype(str)
                .map({value: place for place, value in enumerate(encoder.classes_, start=1)})
                .fillna(0)
                .astype("int32")
                for column, encoder in encoders.items()
            }
            labels = {
                "income": part["income"].str.startswith("50000+"),
                "never-married": part["marital_status"] == "Never married",
            }
            np.save(out / f"{name}-dense.npy", scaler.transform(part[dense]).astype("float32"))
            np.save(out / f"{name}-sparse.npy", pd.DataFrame(ids).to_numpy())
            np.save(out / f"{name}-labels.npy", pd.DataFrame(labels).to_numpy("uint8"))

    return work


if __name__ == "__main__":
    main()
