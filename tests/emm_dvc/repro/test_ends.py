"""Ctrl-C, SIGTERM, and other processes of DVC at the same files."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from emm_dvc.repro.children import end, start
from tests.emm_dvc.repro.small import (
    DVC,
    EMM,
    PATIENCE,
    Repository,
    alive,
    eventually,
    make_repository,
    stage,
)

pytestmark = pytest.mark.slow

GRAPH = {
    "quick": stage("quick.txt"),
    "held": stage("held.txt", "quick.txt", "+held", "-go"),
    "other": stage("other.txt", "quick.txt", "+other", "-go"),
    "last": stage("last.txt", "held.txt", "other.txt"),
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path, GRAPH)


def worker(repository: Repository, out: str) -> int:
    return int((repository.marks / f"{out}.pid").read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_children_and_names_the_stopped_stages(
    repository: Repository, number: signal.Signals
) -> None:
    with repository.started(*EMM, "repro", "--jobs", "2") as process:
        for mark in ("held", "other"):
            repository.wait_for(mark)
        workers = [worker(repository, out) for out in ("held.txt", "other.txt")]
        assert all(alive(one) for one in workers)
        process.send_signal(number)
        _, output = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert not any(alive(one) for one in workers)
    assert still_at_it(repository) == []
    assert "stopped stages:\n  - held: .dvc/tmp/emm-repro/held.log\n  - other: " in output
    assert "interrupted; run the same command again to continue" in output
    repository.mark("go")
    assert "4 stages: 1 unchanged, 3 done" in repository.emm()


def still_at_it(repository: Repository) -> list[int]:
    """Processes whose folder is the repository."""
    listed = psutil.process_iter(["pid", "cwd"])
    here = [one.info["pid"] for one in listed if one.info["cwd"] == str(repository.root)]
    return [number for number in here if alive(number)]


def test_a_stage_that_another_process_runs_is_waited_for(repository: Repository) -> None:
    repository.serial("quick")
    with repository.started(*DVC, "repro", "--single-item", "held") as other:
        repository.wait_for("held")
        with repository.started(*EMM, "repro", "held") as process:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            busy = next(line for line in lines if "busy elsewhere" in line)
            assert f"(process {other.pid} uses its files)" in busy
            repository.mark("go")
            output = process.stderr.read()
            assert process.wait() == 0
    assert "2 stages: 2 unchanged" in output
    assert other.returncode == 0


def test_another_command_of_dvc_is_waited_for(repository: Repository) -> None:
    """DVC's lock is held, as by a long `dvc push`."""
    repository.mark("go")
    holder = (
        "import sys; from dvc.repo import Repo, lock_repo\n"
        "with lock_repo(Repo()): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        ["python", "-c", holder],
        cwd=repository.root,
        env=repository.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        with repository.started(*EMM, "repro") as waiting:
            eventually(psutil.Process(waiting.pid).children)
            process.stdin.close()
            _, output = waiting.communicate(timeout=PATIENCE)
    assert "4 stages: 4 done" in output


def test_a_command_that_ignores_the_signal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import signal, time, pathlib\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path('up').touch()\ntime.sleep(600)\n"
    )
    repository = make_repository(tmp_path, {"deaf": {"cmd": "python deaf.py", "deps": ["deaf.py"]}})
    (repository.root / "deaf.py").write_text(script)
    with monkeypatch.context() as patch:
        patch.chdir(repository.root)
        child = start("deaf", [], tmp_path / "deaf.log", {})
    eventually((repository.root / "up").exists)
    end([child], grace=0.5)
    assert child.process.returncode == -signal.SIGKILL
    eventually(lambda: still_at_it(repository) == [])
