import subprocess
import sys
from pathlib import Path

import pytest

from emm_dvc.repro.board import State
from emm_dvc.repro.children import Child
from emm_dvc.repro.local import log_of, outcome


@pytest.mark.parametrize(
    ("code", "words", "state", "note"),
    [
        (0, "Stage 'a' didn't change, skipping\n", State.UNCHANGED, ""),
        (0, "Stage 'a' is cached - skipping run, checking out outputs\n", State.CACHED, ""),
        (0, "Running stage 'a':\n> echo Stage 'b' is cached - skipping run\n", State.DONE, ""),
        (255, "ERROR: failed to run: x, exited with 3\n", State.FAILED, "exit status 3"),
        (255, "ERROR: failed to run: x, exited with -9\n", State.FAILED, "killed by signal 9"),
        (255, "ERROR: dependency 'x' does not exist\n", State.FAILED, "exit status 255"),
        (
            255,
            "ERROR: 'x' is busy, it is being blocked by:\n  (PID 12): dvc repro\n\nIf there are no",
            State.BUSY,
            "process 12 uses its files",
        ),
    ],
)
def test_how_a_stage_ended(tmp_path: Path, code: int, words: str, state: State, note: str) -> None:
    log = tmp_path / "a.log"
    log.write_text(words)
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    process.wait()
    ended = outcome(Child("a", process, log))
    assert (ended.state, ended.note) == (state, note)


def test_the_logs_of_several_dvc_yaml_files_are_in_one_folder() -> None:
    first = log_of(Path("/r"), "study/dvc.yaml:train@a-b")
    assert first == Path("/r/.dvc/tmp/emm-repro/study_dvc.yaml_train@a-b.log")
