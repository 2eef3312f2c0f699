"""Speed on a GPU next to torch-rechub, and the CUDA tests; in eight minutes, without downloads.

    python -m benchmarks.cuda --wheels .cache/wheels

MMoE, PLE and EMM train on generated rows in the shape of Ali-CCP in batches of 32,768: plain and
compiled (CUDA graphs), in float32, TF32 and bfloat16; five seeds in one pass next to one. Results
are saved after every part, so that a run that is cut short leaves what it has found. ``--wheels``:
a folder of wheels that this Python lacks, which are unpacked, not installed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

_ROOT = Path(__file__).resolve().parents[1]
_MODELS = ("mmoe", "ple", "emm")
_PEERS = ("mmoe", "ple")
_WAYS = (
    ("plain", "float32"),
    ("compiled", "float32"),
    ("plain", "bfloat16"),
    ("compiled", "bfloat16"),
    ("compiled", "tf32"),
)
_PART_SECONDS = 120
"""The most that one part may take; compiling is the slowest."""


class Clock:
    """What is left of the time for all parts."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


def main() -> None:
    options = _options()
    with TemporaryDirectory() as folder:
        unpack(options.wheels, Path(folder))
        paths = [folder, str(_ROOT / "src"), str(_ROOT)]
        sys.path[:0] = paths
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *([before] if before else [])])
        _measure(options, Clock(options.minutes))


def unpack(wheels: Path | None, folder: Path) -> None:
    """Unpack all wheels, if any, into one folder."""
    for wheel in sorted(wheels.glob("*.whl")) if wheels else ():
        with ZipFile(wheel) as archive:
            archive.extractall(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, help="folder of wheels that this Python lacks")
    parser.add_argument("--device", default="cuda", help="cpu only tries the program")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all parts")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--ids", type=int, default=1_200_000)
    parser.add_argument("--batch-size", type=int, default=32_768)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each timed training")
    parser.add_argument("--out", type=Path, help="file of the results; default: the machine's")
    return parser.parse_args()


def _measure(options: argparse.Namespace, clock: Clock) -> None:
    from benchmarks.results import RESULTS, machine_name, save

    out = options.out or RESULTS / f"{machine_name()}.json"
    record: dict[str, Any] = {
        "device": options.device,
        "torch-rechub": _version("torch-rechub"),
        "rows": options.rows,
        "batch_size": options.batch_size,
        "runs": {},
    }
    for name, words in _parts():
        sys.stderr.write(f"==> {name} ({clock.left:.0f} s left)\n")
        record["runs"][name] = found = _run(words, options, clock)
        if name == "limits" and "error" in found:
            sys.exit(
                f"error: {options.device} can't be measured: {found['error']}\n"
                "  next: run it with a Python whose torch has CUDA, make bench-cuda PYTHON=..., "
                "and give other packages that it lacks as wheels (benchmarks/README.md)"
            )
        save(out, "cuda", record)
    sys.stdout.write(json.dumps(record, indent=2) + "\n")


def _parts() -> Iterator[tuple[str, list[str]]]:
    """Name and words of each part, the most important ones first."""
    yield "limits", ["limits"]
    for name in _MODELS:
        for way, precision in _WAYS[:2]:
            yield f"{name} {way} {precision}", _words(name, way, precision)
    for name in _PEERS:
        yield f"{name} torch-rechub", ["peer", name]
    yield "tests", []
    yield "seeds", ["seeds", "mmoe"]
    for name in _MODELS:
        for way, precision in _WAYS[2:]:
            yield f"{name} {way} {precision}", _words(name, way, precision)


def _words(name: str, way: str, precision: str) -> list[str]:
    compiled = ["--compile"] if way == "compiled" else []
    return ["model", name, "--precision", precision, *compiled]


def _run(words: Sequence[str], options: argparse.Namespace, clock: Clock) -> dict[str, Any]:
    """The result of a part, or the reason why it has none."""
    if clock.left < 5:
        return {"error": "no time was left"}
    command = [sys.executable, "-m", "benchmarks.cuda_models", *words]
    for option in ("device", "rows", "ids", "batch_size", "seconds"):
        command += [f"--{option.replace('_', '-')}", str(getattr(options, option))]
    if not words:
        # Warnings of other versions than the locked ones are no failures.
        command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider"]
        command += ["-o", "filterwarnings=default", "tests/cuda"]
    limit = min(_PART_SECONDS, clock.left)
    try:
        done = subprocess.run(
            command, cwd=_ROOT, check=False, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {"error": f"stopped after {limit:.0f} s"}
    if not words:
        sys.stderr.write(done.stdout)
        return counts(done.stdout)
    if done.returncode:
        sys.stderr.write(done.stderr)
        return {"error": (done.stderr.strip().splitlines() or ["it failed"])[-1][:500]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def counts(output: str) -> dict[str, Any]:
    """Numbers of tests by outcome, from pytest's last line."""
    lines = output.strip().splitlines() or [""]
    found = re.findall(r"(\d+) (passed|failed|errors?|skipped)", lines[-1])
    return {what: int(number) for number, what in found} or {"error": lines[-1][:500]}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
