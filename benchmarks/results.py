"""What the programs find on one machine, in one file: benchmarks/results/MACHINE.json."""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emm.core.files import write_json

RESULTS = Path(__file__).resolve().parent / "results"


def add_out(parser: argparse.ArgumentParser) -> None:
    """The option ``--out``: another file than this machine's."""
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS / f"{machine_name()}.json",
        help="file of results, whose part of this program is written anew; default: the machine's",
    )


def keep(out: Path, program: str, found: Mapping[str, Any]) -> None:
    """Write what ``program`` found into the file, and leave what others found there."""
    every = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    versions = {"python": platform.python_version(), "torch": version("torch")}
    every |= {"machine": machine(), program: {"versions": versions, **found}}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, every)


def machine() -> dict[str, Any]:
    """Its processor, the cores that this process may use, and its GPU, if there is one."""
    return {"processor": _processor(), "cores": _cores(), "gpu": _gpu()}


def machine_name() -> str:
    """As a file's name, such as amd-epyc-2-cores."""
    about = machine()
    words = f"{about['processor']} {about['cores']} cores {about['gpu'] or ''}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    text = told.read_text(encoding="utf-8") if told.exists() else ""
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _gpu() -> str | None:
    """Asked of the driver: torch would make the process large, and its children's peaks with it."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return next(iter(done.stdout.splitlines()), None)
