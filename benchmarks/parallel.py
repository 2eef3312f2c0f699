"""Compare the results and times of the default pipeline by ``dvc repro`` and by ``emm repro``.

    python -m benchmarks.parallel --raw /path/to/census-income --jobs 2

Each runs in a fresh clone of the current commit, with one thread per stage. ``--epochs`` shortens
training for a quick check. The ratio is only valid if nothing else runs on the machine.
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

from benchmarks.results import add_out, save

_ROOT = Path(__file__).resolve().parents[1]
_COMPARED = ("dvc.lock", "metrics", "reports")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--raw", type=Path, help="folder with the files of Census-Income; default: download"
    )
    parser.add_argument("targets", nargs="*", help="stages; default: the entire pipeline")
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
        arguments = ["repro", "--jobs", str(options.jobs), *options.targets]
        parallel = seconds([*emm, *arguments], clones["parallel"])
        result = {
            "jobs": options.jobs,
            "targets": options.targets,
            "epochs": options.epochs or "as configured",
            "serial_seconds": round(serial, 1),
            "parallel_seconds": round(parallel, 1),
            "ratio": round(parallel / serial, 3),
            "different": different(clones["serial"], clones["parallel"]),
            "not_as_committed": not_as_committed(clones["serial"]),
        }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    save(options.out, "parallel", result)
    sys.exit(bool(result["different"]))


def make_clone(clone: Path, raw: Path | None, epochs: int | None) -> None:
    """A clone of the current commit, with its own empty cache."""
    subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(clone)], check=True)
    conf = clone / "conf" / "census-income"
    if raw is not None:
        _substitute(conf / "data.yaml", "path: null", f"path: {raw.resolve()}")
    if epochs is not None:
        _substitute(conf / "paper.yaml", r"max_epochs: \d+", f"max_epochs: {epochs}")


def _substitute(file: Path, pattern: str, text: str) -> None:
    content, count = re.subn(pattern, lambda _: text, file.read_text(encoding="utf-8"))
    if not count:
        sys.exit(f"error: {file} has no {pattern!r}")
    file.write_text(content, encoding="utf-8")


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
    """Result files whose bytes differ."""
    names = {
        str(path.relative_to(clone))
        for clone in (first, second)
        for top in _COMPARED
        for path in [clone / top, *(clone / top).rglob("*")]
        if path.is_file()
    }
    return sorted(name for name in names if _bytes(first / name) != _bytes(second / name))


def not_as_committed(clone: Path) -> list[str]:
    """Results that differ from the commit, without dvc.lock, which names another source of data."""
    names = [name for name in _COMPARED if name != "dvc.lock"]
    command = ["git", "status", "--porcelain", *names]
    done = subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    main()
