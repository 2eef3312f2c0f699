"""A server in a process of its own, and a client of the Open Inference Protocol."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from emm.export.signature import BundleSignature

PYTHON = "EMM_SERVE_PYTHON"
"""Environment variable: a Python with the extra `serve`, in an environment of its own."""

SRC = Path(__file__).parents[2] / "src"
START_SECONDS = 120


def python_with_kserve() -> str | None:
    """A Python that can serve; None if there is none."""
    if os.environ.get(PYTHON):
        return os.environ[PYTHON]
    return sys.executable if find_spec("kserve") else None


@contextmanager
def served(python: str, bundle: Path, log: Path, *options: str) -> Iterator["Client"]:
    """A server of a bundle on a free port of the loopback interface, until the block ends."""
    run = [python, "-m", "emm", "serve", str(bundle), "--port", "0", *options]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(run, stdout=out, stderr=subprocess.STDOUT, env=environment)
        try:
            yield Client(_address(process, log), process)
        finally:
            process.terminate()
            process.wait(60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the server prints."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        words = (word for line in log.read_text().splitlines() for word in line.split())
        found = next((word for word in words if word.startswith("http://")), None)
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"the server didn't start: {log.read_text()}")


class Client:
    """Requests to a model at ``address``."""

    def __init__(self, address: str, process: subprocess.Popen[bytes]) -> None:
        self.address, self.process = address, process

    def get(self, path: str = "") -> tuple[int, Any]:
        return self._call(self.address + path, None)

    def server(self, path: str) -> tuple[int, Any]:
        return self._call(self.address.partition("/v2/")[0] + path, None)

    def infer(self, body: dict[str, Any]) -> tuple[int, Any]:
        return self._call(f"{self.address}/infer", json.dumps(body).encode())

    def _call(self, url: str, body: bytes | None) -> tuple[int, Any]:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def body_of(signature: BundleSignature, rows: pl.DataFrame) -> dict[str, Any]:
    """A request with raw columns."""
    inputs = []
    for each in signature.inputs:
        values = rows[each.column].to_list()
        shape = [len(rows), 1]
        if each.role == "bag":
            longest = max(1, *(len(own or []) for own in values))
            values = [(own or []) + [None] * (longest - len(own or [])) for own in values]
            shape = [len(rows), longest]
        kind = "BYTES" if each.type == "text" else "FP64"
        inputs.append({"name": each.column, "shape": shape, "datatype": kind, "data": values})
    return {"inputs": inputs}
