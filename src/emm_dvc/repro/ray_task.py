"""One stage on a node of a Ray cluster: clone, pull what it reads, run, push the result.

Only this module runs on the nodes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from emm_dvc.repro.children import Child, end

LOG_BYTES = 1 << 20
_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Work:
    """The repository as a git bundle of one commit, and the folder in which DVC is called.

    ``project`` names the node's cache, which all tasks of a repository share.
    """

    bundle: bytes
    project: str
    folder: str


def run_stage(work: Work, stage: str, locks: Mapping[str, str]) -> tuple[bool, str]:
    """Run a stage in a clone of its own.

    ``locks`` has the driver's present text of each dvc.lock, which names the results of other
    stages to pull. The result goes to the remote's run-cache.

    Returns: whether that worked, and the end of the log.
    """
    with TemporaryDirectory(prefix="emm-ray-") as temporary:
        bundle, clone = Path(temporary, "commit.bundle"), Path(temporary, "clone")
        log = Path(temporary, "log")
        bundle.write_bytes(work.bundle)
        dvc = [sys.executable, "-m", "dvc"]
        there = clone / work.folder
        done = _run(["git", "clone", "--quiet", str(bundle), str(clone)], log, Path(temporary))
        if done:
            for name, text in locks.items():
                (clone / name).write_text(text, encoding="utf-8")
            done = all(
                _run([*dvc, *words], log, there, clone)
                for words in (
                    ["cache", "dir", "--local", str(_cache(work.project))],
                    ["repro", "--pull", "--single-item", stage],
                    ["push", "--run-cache", stage],
                )
            )
        return done, _tail(log)


def _cache(project: str) -> Path:
    """The node's own cache, so that data is pulled once."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "emm" / "ray" / project


def _run(command: Sequence[str], log: Path, folder: Path, clone: Path | None = None) -> bool:
    """Run a command, and end it with the task, however that ends; whether it worked."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=_variables(clone),
            start_new_session=True,
        )
    try:
        # Ray's cancelling interrupts Python code, but not a blocking call.
        while process.poll() is None:
            time.sleep(_POLL_SECONDS)
        return process.returncode == 0
    finally:
        end([Child("", process, log)], grace=_GRACE_SECONDS)


def _variables(clone: Path | None) -> dict[str, str]:
    """An environment in which stages run the clone's code by this Python."""
    first = {"PATH": str(Path(sys.executable).parent)}
    if clone is not None:
        first["PYTHONPATH"] = str(clone / "src")
    given = {name: os.environ[name] for name in first if os.environ.get(name)}
    joined = {
        name: os.pathsep.join([path, *([given[name]] if name in given else [])])
        for name, path in first.items()
    }
    return {**os.environ, **joined}


def _tail(log: Path) -> str:
    text = log.read_bytes() if log.exists() else b""
    return text[-LOG_BYTES:].decode("utf-8", errors="replace")
