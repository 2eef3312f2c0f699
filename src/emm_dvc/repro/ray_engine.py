"""Stages on a Ray cluster: one task each, with results through the DVC remote.

Ray chooses the node. Stages whose results the remote doesn't carry (files kept in git, ``push:
false``) run on this machine, as does fetching what the tasks have pushed.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emm.core.files import write_text
from emm.core.ray_cluster import connect
from emm_dvc.repro.board import State
from emm_dvc.repro.graph import Plan, StageError
from emm_dvc.repro.local import Ended, Slots, log_of
from emm_dvc.repro.ray_task import Work, run_stage

_HERE = 2
_GRACE_SECONDS = 30.0
_PULL = ("--pull",)


class RayCluster:
    """Run the stages of a plan as tasks of a cluster, ``jobs`` at a time (0: one per CPU)."""

    def __init__(self, plan: Plan, jobs: int) -> None:
        self._ray = connect(StageError)
        self._plan = plan
        work = pack(plan)
        self._work = self._ray.put(work)
        resources = self._ray.cluster_resources()
        self._jobs = jobs or max(1, int(resources.get("CPU", 1)))
        self._task = self._ray.remote(run_stage).options(
            num_cpus=1,
            num_gpus=1 if resources.get("GPU", 0) >= 1 else 0,
            scheduling_strategy="SPREAD",
        )
        self._here = Slots(plan.root, _HERE, options=_PULL)
        self._queue: list[str] = []
        self._tasks: dict[str, Any] = {}

    def free(self) -> bool:
        return len(self._tasks) + len(self._queue) < self._jobs

    def start(self, stage: str) -> Path:
        if self._plan.stages[stage].shared:
            self._tasks[stage] = self._task.remote(self._work, stage, self._locks())
        else:
            self._queue.append(stage)
        return log_of(self._plan.root, stage)

    def ended(self) -> list[Ended]:
        found = [ended for stage in self._over() if (ended := self._take(stage))]
        while self._queue and self._here.free():
            self._here.start(self._queue.pop(0))
        return [*found, *self._here.ended()]

    def stop(self) -> None:
        """End the tasks on their nodes, and everything that runs here."""
        tasks, self._queue = list(self._tasks.values()), []
        self._tasks.clear()
        for task in tasks:
            self._ray.cancel(task)
        try:
            self._here.stop()
            if tasks:
                self._ray.wait(tasks, num_returns=len(tasks), timeout=_GRACE_SECONDS)
        finally:
            self._ray.shutdown()

    def _over(self) -> list[str]:
        over, _ = self._ray.wait(list(self._tasks.values()), timeout=0) if self._tasks else ([], [])
        return [stage for stage, task in self._tasks.items() if task in over]

    def _take(self, stage: str) -> Ended | None:
        """Handle the end of a task: a failure ends its stage, a result is fetched by DVC."""
        task, log = self._tasks.pop(stage), log_of(self._plan.root, stage)
        try:
            done, output = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            done, output = False, str(error)
        if done:
            self._queue.append(stage)
            return None
        write_text(log, output)
        return Ended(stage, State.FAILED, "on the cluster", log)

    def _locks(self) -> dict[str, str]:
        paths = {name: self._plan.root / name for name in self._plan.entries()}
        return {
            name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.exists()
        }


def pack(plan: Plan) -> Work:
    """Pack the commit that the tasks clone; StageError if the workspace differs from it."""
    if plan.remote is None:
        raise StageError(
            "tasks of a cluster share results through the default DVC remote, and there is none",
            next_step="dvc remote add --default NAME URL, and commit .dvc/config",
        )
    changed = _git(plan.root, "status", "--porcelain", "--untracked-files=no").splitlines()
    ours = {*plan.entries(), *(out for stage in plan.stages.values() for out in stage.outs)}
    others = [path for line in changed if not _within(path := line[3:], ours)]
    if others:
        raise StageError(
            "a cluster runs the stages of a commit, and these files differ from it: "
            + ", ".join(others),
            next_step="git commit, then run this again",
        )
    bundle = subprocess.run(
        ["git", "bundle", "create", "--quiet", "-", "HEAD"],
        cwd=plan.root,
        capture_output=True,
        check=True,
    )
    first = _git(plan.root, "rev-list", "--max-parents=0", "HEAD").split()[0]
    folder = Path.cwd().relative_to(plan.root)
    return Work(bundle.stdout, project=first, folder=str(folder))


def _git(root: Path, *words: str) -> str:
    found = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    if found.returncode:
        raise StageError(f"git {words[0]} failed: {found.stderr.strip()}", where=root)
    return found.stdout


def _within(path: str, outs: Sequence[str] | set[str]) -> bool:
    return any(path == out or path.startswith(f"{out}/") for out in outs)
