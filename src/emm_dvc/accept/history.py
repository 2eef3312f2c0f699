"""Files of earlier commits, and the hashes that DVC would have given them."""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from emm_dvc.verify.outs import folder_md5

_MOST_COMMITS = 2000
_TREE, _BLOB = "tree", "blob"


@dataclass
class History:
    """The commits of the git repository around a DVC project.

    ``root`` is the root of git, ``project`` that of DVC; paths are relative to the project, and may
    lead through symbolic links. ``since`` restricts the search to one commit.
    """

    root: Path
    project: Path
    since: str | None = None
    _found: dict[tuple[tuple[str, str], ...], str | None] = field(default_factory=dict)
    _blobs: dict[str, bytes] = field(default_factory=dict)
    _hashes: dict[str, str] = field(default_factory=dict)
    _trees: dict[str, dict[str, str]] = field(default_factory=dict)

    def find(self, recorded: Mapping[str, str]) -> str | None:
        """The newest commit in which every path has the recorded md5; None if there is none."""
        key = tuple(recorded.items())
        if key not in self._found:
            self._found[key] = self._search(recorded)
        return self._found[key]

    def _search(self, recorded: Mapping[str, str]) -> str | None:
        paths = [self._in_git(path) for path in recorded]
        commits = self._commits(paths)
        objects = self._objects([f"{commit}:{path}" for commit in commits for path in paths])
        for number, commit in enumerate(commits):
            found = objects[number * len(paths) : (number + 1) * len(paths)]
            if all(
                each is not None and self._md5(path, *each) == md5
                for (path, md5), each in zip(recorded.items(), found, strict=True)
            ):
                return commit
        return None

    def unknown(self, recorded: Mapping[str, str]) -> str:
        """The first path whose recorded md5 is in no commit, or all if only their mixture isn't."""
        unmatched = (path for path, md5 in recorded.items() if self.find({path: md5}) is None)
        return next(unmatched, ", ".join(recorded))

    def files(self, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
        """The content of all files that the paths had at a commit, by their path in git."""
        known = list(paths)
        found = self._objects([f"{commit}:{self._in_git(path)}" for path in known])
        blobs: dict[str, str] = {}
        for path, each in zip(known, found, strict=True):
            if each is not None:
                listed = self._listed(path, *each)
                blobs |= {self._in_git(file): blob for file, blob in listed.items()}
        self._read(blobs.values())
        return {path: self._blobs[name] for path, name in blobs.items()}

    def workspace_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The content of all files that the paths have now, by their path in git."""
        found = {}
        for path in paths:
            place = self.project / path
            if not place.exists():
                continue
            files = place.rglob("*") if place.is_dir() else [place]
            for file in files:
                name = file.relative_to(self.project).as_posix()
                if file.is_file() and not self._ignored.match_file(name):
                    found[self._in_git(name)] = file.read_bytes()
        return found

    def is_tracked(self, path: str) -> bool:
        """Whether git has a file at the path, or below it."""
        try:
            return self._in_git(path) in self._tracked
        except ValueError:  # outside the repository
            return False

    def files_in_git(self) -> list[str]:
        """Files that git has or would have: those in its index, and new ones not ignored."""
        words = ("--cached", "--others", "--exclude-standard")
        return sorted({*_git(self.root, "ls-files", "-z", *words).split("\0")[:-1]})

    @cached_property
    def _tracked(self) -> set[str]:
        """All files in git's index and the folders that hold them."""
        files = _git(self.root, "ls-files", "-z").split("\0")[:-1]
        folders = {str(parent) for file in files for parent in PurePosixPath(file).parents}
        return {*files, *folders}

    def _commits(self, paths: Sequence[str]) -> list[str]:
        if self.since:
            return [_git(self.root, "rev-parse", "--verify", f"{self.since}^{{commit}}").strip()]
        limit = f"--max-count={_MOST_COMMITS}"
        touching = _git(self.root, "rev-list", limit, "HEAD", "--", *paths).split()
        return list(dict.fromkeys([_git(self.root, "rev-parse", "HEAD").strip(), *touching]))

    def _objects(self, names: Sequence[str]) -> list[tuple[str, str] | None]:
        """Name and kind of each git object, None where there is none."""
        output = _git(self.root, "cat-file", "--batch-check", text="\n".join(names) + "\n")
        found: list[tuple[str, str] | None] = []
        for line in output.splitlines():
            name, kind = line.rsplit(" ", 2)[-3:-1] if line[-1:].isdigit() else ("", "")
            found.append((name, kind) if kind in (_TREE, _BLOB) else None)
        return found

    def _md5(self, path: str, name: str, kind: str) -> str:
        if name not in self._hashes:
            files = self._listed(path, name, kind)
            self._read(files.values())
            hashes = {
                file[len(path) + 1 :]: hashlib.md5(
                    self._blobs[blob], usedforsecurity=False
                ).hexdigest()
                for file, blob in files.items()
            }
            self._hashes[name] = folder_md5(hashes) if kind == _TREE else hashes[""]
        return self._hashes[name]

    def _listed(self, path: str, name: str, kind: str) -> dict[str, str]:
        """The blobs of a file or folder by path, without those that .dvcignore names."""
        if kind == _BLOB:
            return {path: name}
        if name not in self._trees:
            entries = _git(self.root, "ls-tree", "-r", "-z", name).split("\0")[:-1]
            parts = [entry.partition("\t") for entry in entries]
            self._trees[name] = {file: about.split()[2] for about, _, file in parts}
        found = {f"{path}/{file}": blob for file, blob in self._trees[name].items()}
        return {file: blob for file, blob in found.items() if not self._ignored.match_file(file)}

    def _read(self, names: Iterable[str]) -> None:
        missing = [name for name in dict.fromkeys(names) if name not in self._blobs]
        if not missing:
            return
        command = ["git", "cat-file", "--batch"]
        data = subprocess.run(
            command,
            cwd=self.root,
            input="\n".join(missing).encode(),
            capture_output=True,
            check=True,
        ).stdout
        start = 0
        for name in missing:
            end = data.index(b"\n", start)
            size = int(data[start:end].split()[2])
            self._blobs[name] = data[end + 1 : end + 1 + size]
            start = end + size + 2

    def _in_git(self, path: str) -> str:
        return (self.project / path).resolve().relative_to(self.root.resolve()).as_posix()

    @cached_property
    def _ignored(self) -> Any:
        from pathspec import GitIgnoreSpec

        file = self.project / ".dvcignore"
        return GitIgnoreSpec.from_lines(file.read_text().splitlines() if file.exists() else [])


def git_root(folder: Path) -> Path:
    """The root of the git repository around a folder."""
    return Path(_git(folder, "rev-parse", "--show-toplevel").strip())


def _git(folder: Path, *words: str, text: str | None = None) -> str:
    command = ["git", *words]
    return subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, check=True
    ).stdout
