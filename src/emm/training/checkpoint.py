"""Checkpoints: the saved state of interrupted trainings, one file per run, not tracked by DVC.

A checkpoint is a safetensors file with JSON in its metadata; nothing in it can run code. It is used
if it is intact and if settings, data, code and versions are the same, and otherwise ignored with a
message that says why. Training continues even if no checkpoint can be written.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emm.core.errors import OutOfSpaceError
from emm.core.files import atomic_file
from emm.core.locks import is_awaited
from emm.core.paths import Paths
from emm.core.process import processes
from emm.core.progress import say

EVERY_SECONDS = 20.0  # a checkpoint is written at most this often,
SHARE = 0.02  # and takes at most this share of the time
_FAULTS = (OSError, SafetensorError, KeyError, TypeError, ValueError)

Saved = tuple[dict[str, Tensor], Any]


@dataclass
class Checkpoint:
    """The checkpoint of a run. That of a stage gives those of its runs by `of`.

    ``folder``: that of the stage's checkpoints, None to save nothing; ``fingerprint``: hashes of
    everything that the stage's result depends on.
    """

    name: str = ""
    folder: Path | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    _next: float = field(default_factory=lambda: time.monotonic() + EVERY_SECONDS)

    def of(self, *names: object) -> "Checkpoint":
        """The checkpoint of the run with these names."""
        name = "+".join(quote(str(part), safe="") for part in names)
        return Checkpoint(name, self.folder, self.fingerprint)

    @property
    def due(self) -> bool:
        """Whether it is time to write the next one."""
        return self.folder is not None and time.monotonic() >= self._next

    def write(self, tensors: Mapping[str, Tensor], about: Any) -> None:
        """Save ``tensors`` and ``about``, which is plain JSON, in place of the previous checkpoint.

        If that fails, a message says so and the previous checkpoint stays.
        """
        if self.folder is None:
            return
        start = time.monotonic()
        own = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        text = json.dumps({"fingerprint": dict(self.fingerprint), "about": about})
        metadata = {"text": text, "sha256": _digest(own, text)}
        try:
            with atomic_file(_file(self.folder, self.name)) as temporary:
                save_file(own, temporary, metadata)
        except (OutOfSpaceError, OSError) as error:
            say(f"training continues without a checkpoint: {error}")
        end = time.monotonic()
        self._next = end + max(EVERY_SECONDS, (end - start) / SHARE)

    def read(self) -> Saved | None:
        """The saved tensors and JSON; None if there are none, or if the file is damaged."""
        path = None if self.folder is None else _file(self.folder, self.name)
        if path is None or not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            text = metadata["text"]
            intact = _digest(tensors, text) == metadata["sha256"]
        except _FAULTS:
            intact, text = False, ""
        if not intact:
            self.refuse("it is damaged")
            return None
        return tensors, json.loads(text)["about"]

    def write_folder(self, folder: Path) -> None:
        """Save the files in ``folder``."""
        files = {file.name: np.fromfile(file, np.uint8) for file in folder.iterdir()}
        self.write({name: torch.from_numpy(content) for name, content in files.items()}, None)

    def read_folder(self, folder: Path) -> bool:
        """Restore the saved files into ``folder``; False if there are none."""
        saved = self.read()
        if saved is None:
            return False
        folder.mkdir(parents=True)
        for name, content in saved[0].items():
            (folder / name).write_bytes(content.numpy().data)
        return True

    def refuse(self, why: str) -> None:
        """Print that the checkpoint isn't used."""
        say(f"the checkpoint of {self.name} is ignored: {why}")


@contextmanager
def checkpoints(paths: Paths, out: Path, fingerprint: Mapping[str, str]) -> Iterator[Checkpoint]:
    """The checkpoint of the stage that makes ``out``.

    Files with another ``fingerprint`` are removed at once, and all files when the stage succeeds,
    unless another process waits for this stage's lock to do the same work. Distributed training
    saves nothing, as each process has random numbers of its own.
    """
    if processes() > 1:
        yield Checkpoint()
        return
    folder = paths.checkpoints(out)
    others: set[str] = set()
    for file in sorted(folder.glob("*.safetensors")):
        differing = _differing(file, fingerprint)
        if differing:
            others |= differing
            file.unlink()
    if others:
        say(f"checkpoints in {folder} are removed: {' and '.join(sorted(others))}")
    yield Checkpoint("", folder, fingerprint)
    if not is_awaited(paths.lock(out)):
        shutil.rmtree(folder, ignore_errors=True)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _differing(file: Path, fingerprint: Mapping[str, str]) -> set[str]:
    """Where the fingerprint of a checkpoint differs."""
    try:
        with safe_open(file, "pt") as opened:
            found = json.loads(opened.metadata()["text"])["fingerprint"]
        return {f"other {part}" for part, value in fingerprint.items() if found[part] != value}
    except _FAULTS:
        return {"damaged"}


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """Hex digest of the text, and of the names, types, shapes and bytes of the tensors."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
