"""The default pipeline by ``dvc repro`` and by ``emm repro``: equal results, and the ratio.

    python -m benchmarks.parallel --raw /path/to/census-income --jobs 2

Each runs in a fresh clone of the current commit, with one thread a stage. ``--epochs`` cuts
training short, to see that it works. Other work on the machine spoils the ratio.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.results import add_out, keep

_ROOT = Path(__file__).resolve().parents[1]
_COMPARED = ("dvc.lock", "metrics", "reports")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, help="folder with Census-Income's files; else download")
    parser.add_argument("targets", nargs="*", help="stages; by default the whole pipeline")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--epochs", type=int, help="instead of training.max_epochs")
    add_out(parser)
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        clones = {name: Path(temporary, name) for name in ("serial", "parallel")}
        for clone in clones.values():
            make_clone(clone, options.raw, options.epochs)
        python = sys.executable
        serial = seconds([python, "-m", "dvc", "repro", *options.targets], clones["serial"])
        emm = [python, "-c", "from emm.commands.cli import main; main()"]
        words = ["repro", "--jobs", str(options.jobs), *options.targets]
        parallel = seconds([*emm, *words], clones["parallel"])
        result = {
            "jobs": options.jobs,
            "targets": options.targets,
            "epochs": options.epochs or "as in params.yaml",
            "serial_seconds": round(serial, 1),
            "parallel_seconds": round(parallel, 1),
            "ratio": round(parallel / serial, 3),
            "different": different(clones["serial"], clones["parallel"]),
            "not_as_committed": not_as_committed(clones["serial"]),
        }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    keep(options.out, "parallel", result)
    sys.exit(bool(result["different"]))


def make_clone(clone: Path, raw: Path | None, epochs: int | None) -> None:
    """A clone of the current commit, with its own empty cache."""
    subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(clone)], check=True)
    params = clone / "params.yaml"
    text = params.read_text(encoding="utf-8")
    if raw is not None:
        text = text.replace("path: null", f"path: {raw.resolve()}", 1)
    if epochs is not None:
        text = re.sub(r"max_epochs: \d+", f"max_epochs: {epochs}", text)
    params.write_text(text, encoding="utf-8")


def seconds(command: Sequence[str], clone: Path) -> float:
    """Wall time of a command that runs the clone's own code."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(clone / "src"),
        "OMP_NUM_THREADS": "1",
        "DVC_NO_ANALYTICS": "1",
    }
    start = time.perf_counter()
    subprocess.run(command, cwd=clone, env=environment, stdout=sys.stderr, check=True)
    return time.perf_counter() - start


def different(first: Path, second: Path) -> list[str]:
    """Files among the results that aren't the same, byte by byte."""
    names = {
        str(path.relative_to(clone))
        for clone in (first, second)
        for top in _COMPARED
        for path in [clone / top, *(clone / top).rglob("*")]
        if path.is_file()
    }
    return sorted(name for name in names if _bytes(first / name) != _bytes(second / name))


def not_as_committed(clone: Path) -> list[str]:
    """Results that differ from the commit's; dvc.lock does, as it names another source of data."""
    names = [name for name in _COMPARED if name != "dvc.lock"]
    command = ["git", "status", "--porcelain", *names]
    done = subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    main()
