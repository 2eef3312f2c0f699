"""What `dvc repro` would do with each stage, also where data isn't here.

Runs in the process of :mod:`emm_dvc.repro.dvc_side`. DVC's own ``--dry`` looks at the files that
are there now: it fails where a stage would first have to write them, and takes a stage for cached
whose deps another stage is about to change. Here the hashes that earlier stages would leave are
followed from stage to stage.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.stage.serialize import to_single_stage_lockfile


class Verdict(StrEnum):
    """What would happen to a stage."""

    UNCHANGED = "unchanged"
    CHECKOUT = "from the cache"
    RUN_CACHE = "from the run-cache"
    RUNS = "runs"
    MAY_RUN = "may run"
    FAILS = "fails"


@dataclass
class Forecast:
    """The verdict about a stage, and why: what is affected, by the kind of reason."""

    stage: str
    verdict: Verdict
    reasons: dict[str, list[str]] = field(default_factory=dict)


def forecast(stages: Sequence[Any]) -> list[Forecast]:
    """What would happen to ``stages``, which are in the order of a run."""
    outs: dict[str, _Expected] = {}
    locks: dict[str, Any] = {}
    found = []
    for stage in stages:
        if stage.path not in locks:  # DVC would read the file for each of its stages
            locks[stage.path] = getattr(stage.dvcfile, "lockfile_contents", {}).get("stages", {})
        seen = _Look(stage, outs, locks[stage.path].get(getattr(stage, "name", None)))
        found.append(seen.forecast())
        hashes = seen.out_hashes(found[-1].verdict)
        outs |= {
            out.fs_path: _Expected(stage.addressing, out, hashes and hashes.get(out.def_path))
            for out in stage.outs
        }
    return found


@dataclass(frozen=True)
class _Expected:
    """The hash that an out would have; None: its stage would run first."""

    stage: str
    out: Any
    hash: Any


class _Look:
    """One stage, compared with its entry in dvc.lock, None if it has none."""

    def __init__(
        self, stage: Any, outs: dict[str, _Expected], entry: dict[str, Any] | None
    ) -> None:
        self.stage, self.outs, self.entry = stage, outs, entry
        self.reasons: dict[str, list[str]] = {}
        self.missing: list[str] = []
        self.waits: list[str] = []
        self.cached: dict[str, Any] | None = None
        self.recorded = {out.def_path: out.hash_info for out in stage.outs}

    def forecast(self) -> Forecast:
        """Look at everything that decides whether the stage runs."""
        name = self.stage.addressing
        if self.stage.frozen or not self.stage.cmd:
            return Forecast(name, Verdict.UNCHANGED)
        self._look_at_the_entry()
        for dep in self.stage.deps:
            if isinstance(dep, ParamsDependency):
                self._look_at_params(dep)
            else:
                self._look_at_dep(dep)
        if self.missing:
            return Forecast(name, Verdict.FAILS, {"missing": self.missing})
        if self.waits:
            verdict = Verdict.RUNS if self.reasons else Verdict.MAY_RUN
            waits = list(dict.fromkeys(self.waits))
            return Forecast(name, verdict, {**self.reasons, "waits for": waits})
        if not self.reasons:
            return self._look_at_outs(name)
        self.cached = self._run_cached()
        return Forecast(name, Verdict.RUN_CACHE if self.cached else Verdict.RUNS, self.reasons)

    def out_hashes(self, verdict: Verdict) -> dict[str, Any] | None:
        """The hashes of the outs after that, by path; None where a run would tell."""
        if verdict in (Verdict.UNCHANGED, Verdict.CHECKOUT):
            return self.recorded
        return self.cached if verdict is Verdict.RUN_CACHE else None

    def _because(self, reason: str, *items: str) -> None:
        if self.entry is not None or not items:  # without an entry everything would be new
            self.reasons.setdefault(reason, []).extend(items)

    def _look_at_the_entry(self) -> None:
        if self.stage.always_changed or self.stage.is_callback:
            self._because("always runs")
        elif self.entry is None:
            self._because("not in dvc.lock")
        elif self.stage.cmd_changed:
            self._because("another command")
        for kind in ("deps", "outs"):
            items = getattr(self.stage, kind)
            now = {item.def_path for item in items if not isinstance(item, ParamsDependency)}
            gone = [item["path"] for item in (self.entry or {}).get(kind, ())]
            if gone := [path for path in gone if path not in now]:
                self._because(f"no longer {kind}", *gone)

    def _look_at_params(self, dep: Any) -> None:
        now = dep.read_params()
        absent = [key for key in dep.params if key not in now]
        if not dep.exists:
            self.missing.append(str(dep))
        elif absent:
            self.missing += [f"{key} in {dep}" for key in absent]
        else:
            before = dep.hash_info.value or {}
            changed = [key for key in now if key not in before or before[key] != now[key]]
            if changed:
                self._because(f"settings of {dep}", *changed)
            dep.hash_info = dep.get_hash()

    def _look_at_dep(self, dep: Any) -> None:
        before = dep.hash_info
        expected = self._expected(dep)
        if isinstance(expected, str):
            self.waits.append(expected)
            return
        if expected is None:
            if not dep.exists:
                self.missing.append(f"{dep}, which no stage writes")
                return
            expected = dep._get_hash_meta()
        dep.meta, dep.hash_info = expected
        if before != dep.hash_info:
            self._because("changed" if before else "new deps", str(dep))

    def _expected(self, dep: Any) -> Any:
        """What a dep will be: meta and hash; the stage that writes it first; None: as it is now."""
        exact = self.outs.get(dep.fs_path)
        if exact is not None:
            return (exact.out.meta, exact.hash) if exact.hash else exact.stage
        for each in _touching(dep.fs_path, self.outs):
            if each.hash is None:
                return each.stage
            if each.hash != each.out.hash_info:
                return each.stage
            if not dep.exists:
                return (dep.meta, dep.hash_info) if dep.hash_info else each.stage
        return None

    def _look_at_outs(self, name: str) -> Forecast:
        """Whether the outs are as recorded: here, or at least in the cache."""
        changed = [out for out in self.stage.outs if out.workspace_status()]
        lost = [str(out) for out in self.stage.outs if out.use_cache and out.changed_cache()]
        if lost:
            return Forecast(name, Verdict.RUNS, {"not in the cache": lost})
        if changed:
            verdict = Verdict.CHECKOUT if all(out.use_cache for out in changed) else Verdict.RUNS
            return Forecast(name, verdict, {"not as recorded": [str(out) for out in changed]})
        return Forecast(name, Verdict.UNCHANGED)

    def _run_cached(self) -> dict[str, Any] | None:
        """The outs of an earlier run with the same command, deps and params, if all are cached."""
        from dvc.stage.cache import _get_cache_hash

        if self.stage.always_changed or not (self.stage.deps and self.stage.outs):
            return None
        cache = self.stage.repo.stage_cache
        key = _get_cache_hash(to_single_stage_lockfile(self.stage), key=True)
        for entry in _entries(cache, key):
            restored = cache._create_stage(entry, wdir=self.stage.wdir)
            if all(not out.changed_cache() for out in restored.outs):
                return {out.def_path: out.hash_info for out in restored.outs}
            return None
        return None


def _touching(path: str, outs: Mapping[str, _Expected]) -> list[_Expected]:
    """The outs that contain a path, and those inside of it."""
    around = [outs[folder] for folder in map(str, Path(path).parents) if folder in outs]
    start = f"{path}{os.sep}"
    return [*around, *(each for other, each in outs.items() if other.startswith(start))]


def _entries(cache: Any, key: str) -> Iterator[dict[str, Any]]:
    """The entries of the run-cache for a key, newest first."""
    files = Path(cache._get_cache_dir(key)).glob("*")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        with suppress(DvcException):
            if entry := cache._load_cache(key, file.name):
                yield entry
