"""Run a stage again in a folder of its own, and compare what it writes with dvc.lock."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from emm.config.files import read_layers
from emm_dvc.accept.lock import Entry, Project
from emm_dvc.verify.outs import FOLDER, files_in, folder_md5, read_list
from emm_dvc.verify.stores import cache_of, content

_LAST_WORDS = 300  # characters of a failed command's output in a message
_OPERATORS = ("&&", "||", ";", "|", ">", ">>", "<", "&")


def rerun_fault(project: Project, stage: Any, recorded: Entry, entry: Entry) -> str | None:
    """Run the stage with its first seed in a copy of the project; why that proves nothing.

    Nothing in the workspace changes. None: every file is as recorded.
    """
    if not entry:
        return "its entry can't be resolved"
    for kind in ("deps", "outs"):
        fault = _data_fault(project, stage, recorded, entry, kind)
        if fault:
            return fault
    with tempfile.TemporaryDirectory(prefix="emm-accept-") as temporary:
        sandbox = Sandbox(project, Path(temporary))
        sandbox.fill(stage)
        stored = {out.def_path: _listed(project, out) for out in stage.outs}
        seed = _seed(project, stage, stored)
        if seed is not None:
            sandbox.keep_seed(stage, seed.value)
        failure = sandbox.run(stage)
        if failure:
            return failure
        for out in stage.outs:
            fault = _out_fault(sandbox.place(out.fs_path), out, stored[out.def_path], seed)
            if fault:
                return fault
    return None


@dataclass(frozen=True)
class _Seed:
    """The first seed, and the folder of an out that depends on it only."""

    value: int

    @property
    def folder(self) -> str:
        return f"seed-{self.value}/"


@dataclass(frozen=True)
class Sandbox:
    """A copy of the repository's files, with links to the data."""

    project: Project
    root: Path

    def place(self, path: str | Path) -> Path:
        """Where a file of the project is in the copy."""
        return self.root / Path(path).relative_to(self.project.history.root.resolve())

    def fill(self, stage: Any) -> None:
        """Copy the files that git has or would have, without the stage's outs; link its data."""
        for name in self.project.history.files_in_git():
            source = self.project.history.root / name
            if source.exists() or source.is_symlink():
                target = self.root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        for out in stage.outs:
            place = self.place(out.fs_path)
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        for dep in stage.deps:
            place = self.place(dep.fs_path)
            if not place.exists() and dep.exists:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(Path(dep.fs_path).resolve())

    def keep_seed(self, stage: Any, seed: int) -> None:
        """Leave only one of the seeds in the settings that the stage reads."""
        for path in _files_with_seeds(stage):
            place = self.place(path)
            tree = read_layers(place)
            tree["training"]["seeds"] = [seed]
            place.write_text(yaml.safe_dump(tree), encoding="utf-8")

    def run(self, stage: Any) -> str | None:
        """Run the stage's commands; what went wrong."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        variables = {**os.environ, "PATH": path, "PYTHONPATH": str(self.root / "src")}
        for command in [stage.cmd] if isinstance(stage.cmd, str) else stage.cmd:
            words, folder = shlex.split(command), self.place(stage.wdir)
            if words[0] == "cd" and words[2:3] == ["&&"]:
                words, folder = words[3:], folder / words[1]
            if {*words} & {*_OPERATORS}:
                return f"{command}: only `cd FOLDER && PROGRAM ARGUMENT…` is run here"
            done = subprocess.run(
                words,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode:
                return f"`{command}` failed: {done.stdout.strip()[-_LAST_WORDS:]}"
        return None


def _data_fault(
    project: Project, stage: Any, recorded: Entry, entry: Entry, kind: str
) -> str | None:
    """Whether the data that the stage reads is here, as recorded."""
    items = stage.deps if kind == "deps" else stage.outs
    data = [item for item in items if item.hash_name == "md5" and not project.is_code(item)]
    before = {item["path"] for item in recorded.get(kind, ())}
    for item in data:
        if item.def_path not in before:
            return f"{item.def_path} is no part of the recorded entry"
        if kind == "deps" and not item.exists:
            return f"{item.def_path} isn't here: dvc pull, or dvc checkout"
        if kind == "deps" and item.changed_checksum():
            return f"{item.def_path} isn't as recorded: dvc checkout"
    return None


def _listed(project: Project, out: Any) -> Mapping[str, str] | None:
    """The recorded md5 of each file of an out, from the workspace or the cache."""
    md5 = str(out.hash_info.value)
    place = Path(out.fs_path)
    if not md5.endswith(FOLDER):
        return {"": md5}
    if place.is_dir():
        files = _hashes(place)
        if folder_md5(files) == md5:
            return files
    try:
        return read_list(content(cache_of(project.folder), md5), md5)
    except FileNotFoundError:
        return None


def _seed(
    project: Project, stage: Any, stored: Mapping[str, Mapping[str, str] | None]
) -> _Seed | None:
    """The first of several seeds, if every out has a folder for it."""
    for path in _files_with_seeds(stage):
        seeds = read_layers(Path(path)).get("training", {}).get("seeds", [])
        seed = _Seed(seeds[0]) if len(seeds) > 1 else None
        if seed and all(
            files is not None and any(name.startswith(seed.folder) for name in files)
            for files in stored.values()
        ):
            return seed
    return None


def _files_with_seeds(stage: Any) -> Iterator[str]:
    for dep in stage.deps:
        if {"training", "training.seeds"} & {*getattr(dep, "params", ())}:
            yield dep.fs_path


def _out_fault(
    place: Path, out: Any, stored: Mapping[str, str] | None, seed: _Seed | None
) -> str | None:
    """The first file of an out that isn't as recorded."""
    if not place.exists():
        return f"{out.def_path} wasn't written"
    found = _hashes(place)
    if stored is None:
        same = folder_md5(found) == out.hash_info.value
        return None if same else f"{out.def_path} has other bytes; dvc pull it to see which file"
    wanted = seed.folder if seed else ""
    names = sorted(name for name in {*stored, *found} if name.startswith(wanted))
    for name in names:
        if stored.get(name) != found.get(name):
            return f"{Path(out.def_path, name)} has other bytes"
    return None


def _hashes(place: Path) -> dict[str, str]:
    """The md5 of every file in a folder, or of one file under the name ""."""
    names = files_in(place) if place.is_dir() else [""]
    return {name: _md5(place / name if name else place) for name in names}


def _md5(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
