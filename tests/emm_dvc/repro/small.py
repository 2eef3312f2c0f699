"""Small real DVC repositories, whose stages wait for each other's marks and not for a time."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[3]
EMM = [sys.executable, "-c", "from emm.commands.cli import main; main()"]
DVC = [sys.executable, "-m", "dvc"]
LOGS = ".dvc/tmp/emm-repro"
PATIENCE = 120

# Writes a file from those that it reads. "+mark" makes a mark, "-mark" waits for one, "!mark" fails
# where there is one.
WORK = f"""
import os, sys, time
from pathlib import Path
out, *words = sys.argv[1:]
marks, text = Path(os.environ["MARKS"]), out
(marks / (Path(out).name + ".pid")).write_text(str(os.getpid()))
for word in words:
    mark = marks / word[1:]
    if word[0] == "+":
        mark.write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    elif word[0] == "-":
        for _ in range({PATIENCE * 20}):
            if mark.exists():
                break
            time.sleep(0.05)
        else:
            sys.exit("no mark " + word)
    elif word[0] == "!":
        if mark.exists():
            sys.exit("asked to fail")
    else:
        text += "(" + Path(word).read_text() + ")"
Path(out).write_text(text)
"""


def stage(out: str, *words: str, **more: object) -> dict[str, Any]:
    """A stage that makes the file ``out``; words without a sign are the files that it reads."""
    deps = [word for word in words if word[0] not in "+-!"]
    return {
        "cmd": " ".join(["python work.py", out, *words]),
        "deps": ["work.py", *deps],
        "outs": [out],
        **more,
    }


@dataclass(frozen=True)
class Repository:
    """A git and DVC repository, and a folder for marks outside of it."""

    root: Path
    marks: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        found = subprocess.run(
            command,
            cwd=self.root,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        assert not check or found.returncode == 0, found.stdout + found.stderr
        return found

    def serial(self, *words: str, check: bool = True) -> None:
        self.run(*DVC, "repro", *words, check=check)

    def emm(self, *words: str, check: bool = True) -> str:
        return self.run(*EMM, "repro", *words, check=check).stderr

    @contextmanager
    def started(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            command, cwd=self.root, env=self.variables(), stderr=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)

    def write(self, stages: Mapping[str, object], folder: str = ".") -> None:
        (self.root / folder).mkdir(exist_ok=True)
        text = yaml.safe_dump({"stages": stages}, sort_keys=False)
        (self.root / folder / "dvc.yaml").write_text(text)

    def mark(self, name: str) -> None:
        (self.marks / name).touch()

    def wait_for(self, mark: str) -> None:
        eventually((self.marks / mark).exists)

    def logs(self) -> set[str]:
        return {path.stem for path in (self.root / LOGS).glob("*.log")}

    def files(self) -> dict[str, str]:
        """Everything of the workspace that a run of the graph may write."""
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {
            name: path.read_text()
            for path in found
            if not (name := str(path.relative_to(self.root))).startswith((".git/", ".dvc/"))
        }

    def variables(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "MARKS": str(self.marks),
            "DVC_NO_ANALYTICS": "1",
            # Without it DVC's serial order of stages differs from process to process.
            "PYTHONHASHSEED": "0",
            **self.environment,
        }


def make_repository(folder: Path, stages: Mapping[str, object], **variables: str) -> Repository:
    repository = Repository(folder / "project", folder / "marks", variables)
    shutil.copytree(_empty_repository(), repository.root)
    repository.marks.mkdir()
    repository.write(stages)
    return repository


@cache
def _empty_repository() -> Path:
    """Made once: starting git and DVC takes longer than copying."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    repository = Repository(folder / "project", folder / "marks")
    repository.root.mkdir()
    repository.run("git", "init", "--quiet", "--initial-branch=main")
    repository.run(*DVC, "init", "--quiet")
    (repository.root / "work.py").write_text(WORK)
    # As in the project: DVC then writes no .gitignore of its own.
    (repository.root / ".gitignore").write_text("*.txt\n")
    return repository.root


def eventually(happens: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    for _ in range(PATIENCE * 20):
        if happens():
            return
        time.sleep(0.05)
    raise AssertionError("it didn't happen")


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked for counts as gone."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
