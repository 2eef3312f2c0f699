"""`emm accept`: prove that a change of code leaves results the same, and record the new hashes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emm_dvc.accept.lock import (
    AcceptError,
    Entry,
    Project,
    hashes,
    open_project,
    read_entries,
    resolve,
    write,
)
from emm_dvc.accept.rerun import rerun_fault
from emm_dvc.accept.syntax import first_difference

Files = Mapping[str, bytes]
_NAMED = 3  # stages of one fault in a message


@dataclass(frozen=True)
class Accepted:
    """A stage whose new hashes were recorded, and why its results stay the same."""

    stage: str
    proof: str


@dataclass
class _Change:
    """A stage whose entry would be another one, and what is proven about it."""

    stage: Any
    recorded: Entry
    entry: Entry
    fault: str | None = None
    proof: str = ""
    old: Files = field(default_factory=dict)
    new: Files = field(default_factory=dict)


def accept(
    folder: Path, names: Sequence[str] = (), *, since: str | None = None, rerun: bool = False
) -> list[Accepted]:
    """Record new hashes of code for the stages whose results are proven to stay the same.

    A stage is proven if its code has the same syntax as in the commit that dvc.lock recorded, but
    for docstrings, comments and consistent renames. Data isn't needed for that.

    Args:
        folder: the DVC project.
        names: its stages, by default all that have changed.
        since: the commit with the recorded code, by default searched for.
        rerun: where syntax proves nothing, run the stage with its first seed and compare bytes.

    Returns: the stages whose entries were rewritten. Raises AcceptError if there are others, once
    those that are proven are written.
    """
    with open_project(folder, since) as project:
        changes = _changes(project, names)
        _prove_by_syntax(project, [change for change in changes if change.fault is None])
        for change in changes:
            if change.fault is not None and rerun:
                change.fault = rerun_fault(project, change.stage, change.recorded, change.entry)
                change.proof = "a rerun wrote the same bytes"
        write([change.stage for change in changes if change.fault is None])
    refused = {change.stage.name: change.fault for change in changes if change.fault is not None}
    if refused:
        raise AcceptError(
            f"results may differ:\n{_by_fault(refused)}",
            got=f"{len(refused)} of {len(changes)} changed stages that can't be accepted",
            next_step="dvc repro" if rerun else "emm accept --rerun, or dvc repro",
        )
    return [Accepted(each.stage.name, each.proof) for each in changes]


def _by_fault(refused: Mapping[str, str]) -> str:
    """One line for each fault, with the stages that have it."""
    lines = []
    for fault in dict.fromkeys(refused.values()):
        names = [name for name, each in refused.items() if each == fault]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"  - {', '.join(names[:_NAMED])}{more}: {fault}")
    return "\n".join(lines)


def changed_stages(folder: Path) -> set[str]:
    """Stages whose command, code or settings aren't those in dvc.lock; data isn't looked at."""
    with open_project(folder) as project:
        return {change.stage.name for change in _changes(project, [])}


def _changes(project: Project, names: Sequence[str]) -> list[_Change]:
    """The stages whose entries in dvc.lock aren't what they would be now."""
    entries = read_entries(project.folder / "dvc.lock")
    found = []
    for stage in project.stages(names):
        recorded = entries.get(stage.name)
        if recorded is None:
            if names:
                raise AcceptError(
                    f"{stage.name} isn't in dvc.lock: it never ran",
                    next_step=f"dvc repro {stage.name}",
                )
            continue
        try:
            entry = resolve(project, stage, hashes([recorded]))
        except AcceptError as error:
            found.append(_Change(stage, recorded, {}, str(error).partition("\n")[0]))
            continue
        if entry != recorded:
            found.append(_Change(stage, recorded, entry, _unprovable(recorded, entry)))
    return found


def _unprovable(recorded: Entry, entry: Entry) -> str | None:
    """What differs besides code, which syntax proves nothing about."""
    if recorded["cmd"] != entry["cmd"]:
        return f"the command {recorded['cmd']!r} became {entry['cmd']!r}"
    before, after = (_values(each) for each in (recorded, entry))
    for key, value in after.items():
        known = [other for path, other in before.items() if path == key or _moved(path, key)]
        if value not in known:
            return f"the parameter {key[0]}: {key[1]} has another value"
    return None


def _values(entry: Entry) -> dict[tuple[str, str], Any]:
    params = entry.get("params", {})
    return {(file, key): value for file, keys in params.items() for key, value in keys.items()}


def _moved(old: tuple[str, str], new: tuple[str, str]) -> bool:
    """Whether a parameter may have gone to another file, such as that of its dataset."""
    return old[0] != new[0] and f".{old[1]}".endswith(f".{new[1]}")


def _prove_by_syntax(project: Project, changes: Sequence[_Change]) -> None:
    """Compare the code of each stage with that of the commit that dvc.lock recorded."""
    by_commit: dict[str, list[_Change]] = {}
    for change in changes:
        items = [dep for dep in change.stage.deps if dep.hash_name == "md5"]
        code = [project.path(dep) for dep in items if project.is_code(dep)]
        data = {dep.def_path for dep in items if not project.is_code(dep)}
        recorded = {
            project.located(change.stage, item["path"]): item["md5"]
            for item in change.recorded.get("deps", ())
            if item["path"] not in data
        }
        commit = project.history.find(recorded)
        if commit is None:
            change.fault = (
                f"no commit has {project.history.unknown(recorded)} as dvc.lock recorded it"
            )
            continue
        paths = list(dict.fromkeys([*recorded, *code]))
        change.old = project.history.files(commit, paths)
        change.new = project.history.workspace_files(paths)
        change.proof = f"the same syntax as in {commit[:9]}"
        by_commit.setdefault(commit, []).append(change)
    for group in by_commit.values():
        _compare(group)


def _compare(changes: Iterable[_Change]) -> None:
    """All at once, as most stages share most of their code; one by one if that differs."""
    group = list(changes)
    together: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
    for change in group:
        together[0].update(change.old)
        together[1].update(change.new)
    if _fault(*together) is None:
        return
    known: dict[tuple[frozenset[tuple[str, bytes]], ...], str | None] = {}
    for change in group:
        key = (frozenset(change.old.items()), frozenset(change.new.items()))
        if key not in known:
            known[key] = _fault(change.old, change.new)
        change.fault = known[key]


def _fault(old: Files, new: Files) -> str | None:
    """The first difference of two sets of files that may alter results; Markdown can't."""
    for path in sorted({*old, *new}):
        if not path.endswith((".py", ".md")) and old.get(path) != new.get(path):
            return f"{path} has other bytes"
    return first_difference(_python(old), _python(new))


def _python(files: Files) -> dict[str, str]:
    return {path: text.decode() for path, text in files.items() if path.endswith(".py")}
