"""Entries of dvc.lock, resolved and written by DVC for stages that didn't run."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emm.core.errors import EmmError, choose
from emm_dvc.accept.history import History, git_root

Entry = dict[str, Any]


class AcceptError(EmmError):
    """New hashes of code can't be recorded."""


@dataclass
class Project:
    """A DVC project, locked for writing: ``repo`` is DVC's own object."""

    repo: Any
    folder: Path
    history: History

    def stages(self, names: Sequence[str]) -> list[Any]:
        """DVC's stages by name, such as train@a-b, or train for all of these; by default all.

        ParamsError for a name that no stage has.
        """
        file = str(self.folder / "dvc.yaml")
        found = [stage for stage in self.repo.index.stages if stage.path == file]
        known = {name for stage in found for name in _names(stage)}
        for name in names:
            choose("stage", name, known, file, "dvc stage list --name-only")
        return [stage for stage in found if not names or {*names} & _names(stage)]

    def is_code(self, dep: Any) -> bool:
        """Whether a dep is kept in git and no stage writes it."""
        path = self.path(dep)
        made = any(dep.fs.isin_or_eq(dep.fs_path, out.fs_path) for out in self._outs())
        return not made and self.history.is_tracked(path)

    def path(self, dep: Any) -> str:
        """A dep's or an out's path from the project's folder."""
        return str(dep.fs.relpath(dep.fs_path, str(self.folder)))

    def located(self, stage: Any, path: str) -> str:
        """The path from the project's folder of what a stage calls ``path``."""
        return os.path.relpath(Path(stage.wdir, path), self.folder)

    def _outs(self) -> list[Any]:
        return [out for stage in self.repo.index.stages for out in stage.outs]


@contextmanager
def open_project(folder: Path, since: str | None = None) -> Iterator[Project]:
    """Open the DVC project in ``folder`` under DVC's lock; AcceptError if there is none."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    here = folder.resolve()
    try:
        repo = Repo(str(here), _wait_for_lock=True)
        with lock_repo(repo):
            yield Project(repo, here, History(git_root(here), here, since))
    except DvcException as error:
        raise AcceptError(
            f"DVC can't use the project: {error}", where=folder, next_step="dvc dag"
        ) from error


def read_entries(lock: Path) -> dict[str, Entry]:
    """The entries of a dvc.lock by stage; none where there is no file."""
    from dvc.utils.serialize import load_yaml  # unlike PyYAML, it reads 1e-06 as a number

    tree = (load_yaml(str(lock)) if lock.exists() else None) or {}
    return dict(tree.get("stages") or {})


def resolve(project: Project, stage: Any, known: Mapping[str, Entry]) -> Entry:
    """The entry that the stage would have had it run now with the results in ``known``.

    ``known`` has the recorded hash of every out, and of every dep that isn't code, by path. Code
    and params are read from the workspace. The stage keeps what was resolved, for `write`.
    """
    from dvc.dependency import ParamsDependency
    from dvc.exceptions import DvcException
    from dvc.stage.serialize import to_single_stage_lockfile

    for dep in stage.deps:
        if isinstance(dep, ParamsDependency) or project.is_code(dep):
            try:
                dep.save()
            except DvcException as error:
                raise AcceptError(f"{stage.name}: {error}", where=str(dep)) from error
        else:
            _fill(stage, dep, known)
    for out in stage.outs:
        _fill(stage, out, known)
    entry: Entry = _plain(to_single_stage_lockfile(stage))
    return entry


def write(stages: Sequence[Any]) -> None:
    """Write resolved stages into dvc.lock."""
    for file in {stage.dvcfile for stage in stages}:
        file._lockfile.dump_stages([stage for stage in stages if stage.dvcfile == file])


def relock(folder: Path, names: Sequence[str] = ()) -> list[str]:
    """Rewrite entries of dvc.lock with the current commands, code and params; data stays.

    Nothing is proven: the caller knows that the results are the same. ``names``: stages of the DVC
    project in ``folder``, by default all. Returns the stages whose entries changed. Raises
    AcceptError if dvc.lock lacks a stage or the hash of a path.
    """
    with open_project(folder) as project:
        entries = read_entries(project.folder / "dvc.lock")
        shared = hashes(entries.values())
        changed, stages = [], project.stages(names)
        for stage in stages:
            entry = entries.get(stage.name)
            if entry is None:
                raise AcceptError(f"no entry is recorded for {stage.name}")
            if resolve(project, stage, {**shared, **hashes([entry])}) != entry:
                changed.append(stage.name)
        write(stages)
    return changed


def hashes(entries: Any) -> dict[str, Entry]:
    """What entries record of deps and outs by path; outs before deps."""
    found: dict[str, Entry] = {}
    for kind in ("deps", "outs"):
        for entry in entries:
            found |= {item["path"]: item for item in entry.get(kind, ())}
    return found


def _names(stage: Any) -> set[str]:
    return {stage.name, stage.name.partition("@")[0]}


def _fill(stage: Any, item: Any, known: Mapping[str, Entry]) -> None:
    from dvc.output import merge_file_meta_from_cloud
    from dvc_data.hashfile.meta import Meta

    about = dict(known.get(item.def_path, {}))
    if not about:
        raise AcceptError(
            f"no hash is recorded for {item.def_path} of {stage.name}",
            next_step=f"dvc repro {stage.name}",
        )
    about.pop("path")
    name = about.pop("hash", None)
    item.meta = Meta.from_dict(merge_file_meta_from_cloud(about))
    item.hash_name, item.hash_info = item._compute_hash_info_from_meta(name)
    item._compute_meta_hash_info_from_files()


def _plain(value: Any) -> Any:
    """Without the ordered and commented mappings of DVC's reader."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
