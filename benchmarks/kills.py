"""Kill `dvc repro` repeatedly, let it finish, and compare with an undisturbed run.

    python -m benchmarks.kills --kills 20 --seed 0 [TARGET...]

Runs the pipeline on tiny generated data in temporary repositories, with a checkpoint after every
step. About half of the kills are of dvc with all its children, the others of dvc only: its stage
survives while the next `dvc repro` starts.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from rich.console import Console

from tests.pipeline.workspace import CENSUS, Workspace, make_workspace

_CONSOLE = Console(soft_wrap=True, highlight=False)
_CONSTANTS = {"EVERY_SECONDS = 20.0": "EVERY_SECONDS = 0.0", "SHARE = 0.02": "SHARE = 1e9"}
_DAMAGE = {  # files that a kill may damage, and how dvc reports them; docs/interrupted-runs.md
    "rwlock": ("RWLock-file", ".dvc/tmp/rwlock"),
    "dvc.lock": ("dvc.lock", "dvc.lock"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("targets", nargs="*", help="of dvc repro; default: everything")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with TemporaryDirectory() as folder:
        fresh = _fresh(Path(folder) / "fresh")
        undisturbed = fresh.copy(Path(folder) / "undisturbed")
        start = time.monotonic()
        undisturbed.repro(*options.targets)
        seconds = time.monotonic() - start
        _CONSOLE.print(f"undisturbed: {seconds:.0f} s")
        seen: Counter[str] = Counter()
        while seen["kills"] < options.kills:
            killed = fresh.copy(Path(folder) / f"killed-{seen['runs']}")
            _run(killed, options, seconds / 10, draw, seen)
            _compare(killed.root, undisturbed.root)
            seen["runs"] += 1
    _CONSOLE.print(", ".join(f"{name}: {count}" for name, count in seen.items()))
    _CONSOLE.print("dvc.lock, metrics, models and all other outputs are the same")


def _fresh(root: Path) -> Workspace:
    workspace = make_workspace(root)
    for old, new in _CONSTANTS.items():
        workspace.replace("src/emm/training/checkpoint.py", old, new)

    recipe = workspace.root / "conf" / CENSUS / "paper.yaml"
    tree = yaml.safe_load(recipe.read_text())
    tree["training"].update(max_epochs=5, patience=5)
    recipe.write_text(yaml.safe_dump(tree, sort_keys=False))
    return workspace


def _run(
    workspace: Workspace,
    options: argparse.Namespace,
    mean: float,
    draw: random.Random,
    seen: Counter[str],
) -> None:
    """Run the pipeline from the start to its end, and kill it while there are kills left.

    ``mean``: mean seconds between kills.
    """
    while True:
        log = workspace.root.with_suffix(f".{seen['kills']}.log")
        process = _start(workspace, options.targets, log)
        delay = draw.uniform(0, 2 * mean) if seen["kills"] < options.kills else None
        try:
            code = process.wait(delay)
        except subprocess.TimeoutExpired:
            dvc_only = draw.random() < 0.5
            (os.kill if dvc_only else os.killpg)(process.pid, signal.SIGKILL)
            process.wait()
            seen["kills"] += 1
            seen["of dvc only"] += dvc_only
            text = log.read_text()
            running = [line for line in text.splitlines() if line.startswith("Running stage")]
            _count(text, seen)
            _CONSOLE.print(
                f"kill {seen['kills']} after {delay:.1f} s, {running[-1] if running else '-'}"
            )
            continue
        _count(log.read_text(), seen)
        if code == 0:
            return
        _remedy(workspace.root, log.read_text(), seen)


def _start(workspace: Workspace, targets: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("w") as file:
        return subprocess.Popen(
            ["dvc", "repro", *targets],
            cwd=workspace.root,
            env=workspace.environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _count(text: str, seen: Counter[str]) -> None:
    for message in ("resumes after epoch", "trained before", "waiting for process", "are removed"):
        seen[f"'{message}'"] += text.count(message)


def _remedy(root: Path, text: str, seen: Counter[str]) -> None:
    for name, (sign, file) in _DAMAGE.items():
        if sign in text:
            (root / file).unlink()
            seen[f"{name} damaged"] += 1
            return
    sys.exit(f"dvc repro fails:\n{text}")


def _outputs(root: Path) -> Iterator[tuple[str, str]]:
    # Stage by stage: dvc.lock has them in the order in which they ran, which may differ.
    for name, stage in yaml.safe_load((root / "dvc.lock").read_text())["stages"].items():
        yield f"dvc.lock: {name}", str(stage)
    for place in ("data", "metrics", "reports"):
        base = root / place
        for file in sorted([base, *base.rglob("*")]):
            if file.is_file():
                yield str(file.relative_to(root)), sha256(file.read_bytes()).hexdigest()


def _compare(found: Path, expected: Path) -> None:
    left, right = dict(_outputs(found)), dict(_outputs(expected))
    differing = sorted({*left.items()} ^ {*right.items()})
    if differing:
        sys.exit(f"not the same: {differing}")
    if (found / ".emm/checkpoints").exists() and list((found / ".emm").rglob("*.safetensors")):
        sys.exit("some checkpoints weren't removed")


if __name__ == "__main__":
    main()
