"""Questions about the graph that DVC itself answers, in a process of its own, as JSON.

    python -m emm_dvc.repro.dvc_side plan [TARGET…]     what `dvc repro TARGET…` would visit
    python -m emm_dvc.repro.dvc_side changed STAGE…     which of them would run
    python -m emm_dvc.repro.dvc_side forecast [TARGET…] what would happen to each of them, and why
    python -m emm_dvc.repro.dvc_side arrange            order dvc.lock as standard input says

These are the functions that `dvc repro` calls, so targets, frozen stages and several dvc.yaml files
have the same meaning. DVC's lock is held meanwhile, so that other commands of DVC wait.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.fs import localfs
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

from emm.core.files import write_text
from emm_dvc.repro.forecast import forecast as forecast_stages
from emm_dvc.repro.lockfile import arranged

DEFAULT_TARGET = "dvc.yaml"


def plan(targets: Sequence[str]) -> dict[str, Any]:
    """The stages that ``dvc repro targets`` visits, in its order, and what each waits for."""
    with _locked() as repo:
        order = _visited(repo, targets)
        position = {stage: number for number, stage in enumerate(order)}
        graph = repo.index.graph
        active = get_active_graph(graph)
        after: dict[Any, list[Any]] = {stage: [] for stage in order}
        # DVC ignores what a frozen stage depends on, but the two may not run at the same time:
        # they keep the order of a serial run.
        for stage, upstream in graph.edges:
            if stage.frozen and stage in position and upstream in position:
                first, second = sorted((stage, upstream), key=position.__getitem__)
                after[second].append(first)
        return {
            "root": repo.root_dir,
            "remote": repo.config["core"].get("remote"),
            "stages": [
                {
                    "name": stage.addressing,
                    "upstream": [other.addressing for other in active.successors(stage)],
                    "after": [other.addressing for other in after[stage]],
                    "changed": _changed(stage),
                    "lock": _lock_path(repo, stage),
                    "entry": getattr(stage, "name", None),
                    "outs": [_inside(repo, out.fs_path) for out in stage.outs if out.is_in_repo],
                    "shared": _shared(stage, active.successors(stage)),
                }
                for stage in order
            ],
        }


def changed(names: Sequence[str]) -> dict[str, bool]:
    """Whether each of the stages would run now; their upstream stages must be up to date."""
    with _locked() as repo:
        stages = collect_stages(repo, names)
        return {stage.addressing: _changed(stage) for stage in stages}


def forecast(targets: Sequence[str]) -> list[dict[str, Any]]:
    """What ``dvc repro targets`` would do with each stage, in its order."""
    with _locked() as repo:
        return [asdict(each) for each in forecast_stages(_visited(repo, targets))]


def arrange(orders: dict[str, list[str]]) -> dict[str, bool]:
    """Put the entries of each dvc.lock into the given order; which files were written."""
    written = {}
    with _locked():
        for name, order in orders.items():
            text = Path(name).read_text(encoding="utf-8")
            better = arranged(text, order)
            written[name] = better != text
            if written[name]:
                write_text(Path(name), better)
    return written


@contextmanager
def _locked() -> Iterator[Any]:
    repo = Repo(_wait_for_lock=True)
    with lock_repo(repo):
        yield repo


def _visited(repo: Any, targets: Sequence[str]) -> list[Any]:
    stages = collect_stages(repo, targets or [DEFAULT_TARGET])
    return list(plan_repro(get_active_graph(repo.index.graph), stages))


def _changed(stage: Any) -> bool:
    try:
        return bool(stage.changed())
    except LockError:  # another process uses its files: DVC looks again when it runs the stage
        return True


def _lock_path(repo: Any, stage: Any) -> str | None:
    """The dvc.lock with the entry of a stage; a .dvc file has none."""
    path = Path(stage.path)
    return None if path.suffix == ".dvc" else _inside(repo, path.with_suffix(".lock"))


def _inside(repo: Any, path: str | Path) -> str:
    return str(Path(path).relative_to(repo.root_dir))


def _shared(stage: Any, upstream: Iterable[Any]) -> bool:
    """Whether the remote carries both what a stage reads and what it writes."""
    deps = [dep.fs_path for dep in stage.deps]
    read = [out for other in upstream for out in other.outs if _overlaps(out.fs_path, deps)]
    return bool(
        stage.cmd
        and stage.deps
        and not (stage.frozen or stage.always_changed)
        and all(out.use_cache and out.can_push and out.is_in_repo for out in [*stage.outs, *read])
        and not any(out.persist for out in stage.outs)
    )


def _overlaps(path: str, others: Iterable[str]) -> bool:
    return any(localfs.overlaps(path, other) for other in others)


def _say(error: BaseException | None) -> str:
    """The messages of an error and its causes, where DVC keeps the reason."""
    lines = []
    while error is not None:
        lines.append(str(error))
        error = error.__cause__
    return "\n".join(dict.fromkeys(line for line in lines if line))


def main(words: Sequence[str]) -> int:
    verbs: dict[str, Callable[[], Any]] = {
        "plan": lambda: plan(words[1:]),
        "changed": lambda: changed(words[1:]),
        "forecast": lambda: forecast(words[1:]),
        "arrange": lambda: arrange(json.load(sys.stdin)),
    }
    try:
        answer = verbs[words[0]]()
    except DvcException as error:
        sys.stderr.write(_say(error) + "\n")
        return 1
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
