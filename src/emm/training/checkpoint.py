"""Where an interrupted stage goes on: one file a run, outside of what DVC keeps.

A file is safetensors, its JSON in the metadata; nothing in it can run code. It is used if it is
whole and of the same settings, data, code and versions, and else passed over with a line that says
why. That no checkpoint can be written stops no training.
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

EVERY_SECONDS = 20.0  # at most this often,
SHARE = 0.02  # and at most this part of the time
_FAULTS = (OSError, SafetensorError, KeyError, TypeError, ValueError)

Saved = tuple[dict[str, Tensor], Any]


@dataclass
class Checkpoint:
    """The place of one run's state in the ``folder`` of its stage, whose result depends on
    ``fingerprint``. Without a folder nothing is kept."""

    name: str = ""
    folder: Path | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    _next: float = field(default_factory=lambda: time.monotonic() + EVERY_SECONDS)

    def of(self, *names: object) -> "Checkpoint":
        """The place of the run with these names."""
        name = "+".join(quote(str(part), safe="") for part in names)
        return Checkpoint(name, self.folder, self.fingerprint)

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return self.folder is not None and time.monotonic() >= self._next

    def write(self, tensors: Mapping[str, Tensor], about: Any) -> None:
        """Keep ``tensors`` and ``about``, which is plain JSON, in place of what was kept before.

        Where that can't be done, a line says so, and what was kept before stays.
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
            say(f"training goes on without a checkpoint: {error}")
        end = time.monotonic()
        self._next = end + max(EVERY_SECONDS, (end - start) / SHARE)

    def read(self) -> Saved | None:
        """What was kept; None if there is nothing, or nothing that can be trusted."""
        path = None if self.folder is None else _file(self.folder, self.name)
        if path is None or not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            text = metadata["text"]
            whole = _digest(tensors, text) == metadata["sha256"]
        except _FAULTS as error:
            whole, text = False, str(error)
        if not whole:
            self.refuse("it is damaged")
            return None
        return tensors, json.loads(text)["about"]

    def write_folder(self, folder: Path) -> None:
        """Keep the files in ``folder``."""
        files = {file.name: np.fromfile(file, np.uint8) for file in folder.iterdir()}
        self.write({name: torch.from_numpy(content) for name, content in files.items()}, None)

    def read_folder(self, folder: Path) -> bool:
        """Write the files that were kept into ``folder``, if there are any."""
        saved = self.read()
        if saved is None:
            return False
        folder.mkdir(parents=True)
        for name, content in saved[0].items():
            (folder / name).write_bytes(content.numpy().data)
        return True

    def refuse(self, why: str) -> None:
        """Say that what was kept isn't used."""
        say(f"the checkpoint of {self.name} is passed over: {why}")


@contextmanager
def checkpoints(paths: Paths, out: Path, fingerprint: Mapping[str, str]) -> Iterator[Checkpoint]:
    """Places for the runs of the stage that makes ``out``: what doesn't fit ``fingerprint`` goes
    first, and everything when the stage has ended well.

    It stays if somebody waits for the end of this stage to make the same, and finds it done. Of
    several processes' work, whose random numbers are many, none is kept.
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
    """What tells a checkpoint's origin from ours."""
    try:
        with safe_open(file, "pt") as opened:
            found = json.loads(opened.metadata()["text"])["fingerprint"]
        return {f"other {part}" for part, own in fingerprint.items() if found[part] != own}
    except _FAULTS:
        return {"damaged"}


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """Hex digest of all content: the tensors' names, types, shapes and bytes, and the text."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
