"""Results of all programs on one machine, in one file: benchmarks/results/MACHINE.json."""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emm.core.files import write_json

RESULTS = Path(__file__).resolve().parent / "results"


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--out`` for another file than that of this machine."""
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS / f"{machine_name()}.json",
        help="file in which this program's results are replaced; default: the machine's",
    )


def save(out: Path, program: str, found: Mapping[str, Any]) -> None:
    """Replace the results of ``program`` in the file; those of other programs stay."""
    results = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    versions = {"python": platform.python_version(), "torch": version("torch")}
    results |= {"machine": machine(), program: {"versions": versions, **found}}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, results)


def between(text: str, name: str, content: str) -> str:
    """A page with other content between the two markers of ``name``; ValueError if it lacks one."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no markers {start} and {end}")
    return f"{before}{start}\n{content}\n{end}{after}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table whose first columns are text and whose others are numbers."""
    rule = "|" + ":---|" * texts + "---:|" * (len(head) - texts)
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def machine() -> dict[str, Any]:
    """The machine's processor, the cores that this process may use, and the GPU, if any."""
    return {"processor": _processor(), "cores": _cores(), "gpu": _gpu()}


def machine_name() -> str:
    """The machine as a file name, such as amd-epyc-2-cores."""
    about = machine()
    words = f"{about['processor']} {about['cores']} cores {about['gpu'] or ''}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return name[1] if name else platform.processor() or platform.machine()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # missing on some systems
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _gpu() -> str | None:
    """Name of the GPU, from the driver: importing torch would raise the children's peak memory."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return next(iter(done.stdout.splitlines()), None)
