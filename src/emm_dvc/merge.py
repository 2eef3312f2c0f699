"""Merge drivers for git: dvc.lock stage by stage, the README around its table of results.

git calls a driver with three files, BASE, OURS and THEIRS, and takes OURS as the result. A driver
that fails leaves git's conflict markers in OURS.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from emm.core.errors import EmmError
from emm.core.files import write_text
from emm.report.readme import block_of, replace_block

LARGEST_LOCK = 64 * 2**20  # bytes
SCHEMA = "schema: '2.0'\n"
STAGES = "stages"


class MergeError(EmmError):
    """Two versions of a file must be merged by hand."""


@dataclass(frozen=True)
class Lock:
    """The text of a dvc.lock in pieces: one per stage, and one per top-level key.

    The piece of the key ``stages`` is empty.
    """

    stages: Mapping[str, str]
    keys: Mapping[str, str]

    def text(self) -> str:
        """The text of the file, as DVC writes it."""
        stages = "".join(self.stages.values())
        block = f"{STAGES}:\n{stages}" if stages else f"{STAGES}: {{}}\n"
        return "".join(block if key == STAGES else text for key, text in self.keys.items())


@dataclass(frozen=True)
class Merged:
    """A merged lock, and the stages left out because both sides changed them differently."""

    lock: Lock
    dropped: tuple[str, ...]


def read_lock(path: Path) -> Lock:
    """Split a dvc.lock into pieces; an empty file, git's stand-in for a missing one, has none.

    Raises MergeError unless it is a lock file of schema 2.0, as DVC writes it.
    """
    if path.stat().st_size > LARGEST_LOCK:
        raise _unusable(path, f"it is larger than {LARGEST_LOCK} bytes")
    try:
        text = path.read_bytes().decode("utf-8")
        lock = _cut(text)
    except (UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise _unusable(path, str(error)) from error
    if not text:
        return Lock({}, {})
    # The pieces make up the file only if DVC wrote it.
    if lock.text() != text or lock.keys.get("schema") != SCHEMA:
        raise _unusable(path, "it isn't of schema 2.0, as DVC writes it")
    return lock


def merge_locks(base: Lock, ours: Lock, theirs: Lock) -> Merged:
    """Merge three ways, stage by stage; our order stays, and their new stages follow.

    A stage that one side changed, added or removed is taken from that side. A stage that both sides
    changed, each in its own way, is left out: a mixed entry would name outputs that no run wrote.
    `dvc repro` then runs the stage, or takes its result from the run-cache. Other keys can't be
    recomputed: MergeError if both sides changed one.
    """
    keys, disagreed = _merge(base.keys, ours.keys, theirs.keys)
    if disagreed:
        raise MergeError(
            f"both sides changed {', '.join(disagreed)} of dvc.lock",
            expected="changes on one side only, outside of `stages`",
            next_step="choose one, git add the file, and commit",
        )
    stages, dropped = _merge(base.stages, ours.stages, theirs.stages)
    return Merged(Lock(stages, keys), dropped)


def merge_lock_files(base: Path, ours: Path, theirs: Path) -> Merged:
    """Merge three lock files into ``ours``; see `merge_locks`.

    Raises MergeError, and leaves conflict markers in ``ours``, where that isn't possible.
    """
    try:
        merged = merge_locks(*map(read_lock, (base, ours, theirs)))
    except MergeError:
        _merge_as_text(base, ours, theirs)
        raise
    write_text(ours, merged.lock.text())
    return merged


def merge_readmes(base: Path, ours: Path, theirs: Path) -> bool:
    """Merge three READMEs into ``ours`` as text, and keep our table of results.

    Returns: whether their table differed. Raises MergeError if the rest has conflicts.
    """
    table = block_of(ours.read_text(encoding="utf-8"))
    theirs_had = block_of(theirs.read_text(encoding="utf-8"))
    for path in (base, theirs):
        text = path.read_text(encoding="utf-8")
        if table and block_of(text):
            path.write_text(replace_block(text, table), encoding="utf-8")
    if _merge_as_text(base, ours, theirs):
        raise MergeError(
            "both sides changed the same lines",
            next_step="edit the lines between the markers, git add the file, and commit",
        )
    return theirs_had not in ("", table)


def _merge(
    base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The merged pieces, and the names of those on which the sides disagree."""
    kept, disagreed = {}, []
    for name in dict.fromkeys([*ours, *theirs]):
        before, our, their = base.get(name), ours.get(name), theirs.get(name)
        if our != their and before not in (our, their):
            disagreed.append(name)
            continue
        piece = their if our == before else our
        if piece is not None:
            kept[name] = piece
    return kept, tuple(disagreed)


def _cut(text: str) -> Lock:
    keys = _pieces(text, r"^(?=[^\s#-])")
    stages = _pieces(keys.get(STAGES, "").partition("\n")[2], r"^(?=  \S)")
    return Lock(stages, keys | {STAGES: ""})


def _pieces(text: str, start: str) -> dict[str, str]:
    """Split ``text`` where a line matches ``start``; the pieces by their key.

    Raises YAMLError for a piece that isn't YAML on its own, such as one with an alias of another
    piece's anchor. Pieces that aren't a mapping with one key, in full lines, are left out.
    """
    pieces = {}
    for piece in re.split(start, text, flags=re.MULTILINE):
        tree = yaml.safe_load(piece)
        if isinstance(tree, dict) and len(tree) == 1 and piece.endswith("\n"):
            pieces[str(*tree)] = piece
    return pieces


def _merge_as_text(base: Path, ours: Path, theirs: Path) -> bool:
    """Merge lines into ``ours`` as git does; whether there are conflicts."""
    labels = [word for name in ("ours", "base", "theirs") for word in ("-L", name)]
    command = ["git", "merge-file", *labels, str(ours), str(base), str(theirs)]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode != 0


def _unusable(path: Path, why: str) -> MergeError:
    return MergeError(
        f"dvc.lock can't be merged by stage: {why}",
        where=path,
        next_step="resolve the conflict by hand, git add the file, then dvc repro",
    )
