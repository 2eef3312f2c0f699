import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from emm.core.errors import ParamsError
from emm.core.files import atomic_folder, write_text
from emm.core.progress import say
from emm.data.tables.rows import RowTensors
from emm.data.tables.soft_targets import Distillation, with_soft_targets
from emm.training import distributed as together
from tests.training.fitting import TRAIN, mmoe, run
from tests.training.ranked import trained

ROOT = Path(__file__).parents[2]


def found(*words: str) -> list[dict[str, Any]]:
    """The output of each of two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = []
    for rank in range(2):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        command = [sys.executable, "-m", "tests.training.ranked", *words]
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(command, cwd=ROOT, env=os.environ | meeting | own, stdout=pipe)
        )
    outputs = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("weighted",),
        ("uncertainty",),
        ("partly", "uncertainty"),
        ("partly", "weighted", "dwa", "aitm"),
        ("partly", "weighted", "escm2"),
        ("taught", "partly", "weighted"),
        pytest.param(("partly", "stch"), marks=pytest.mark.slow),
        pytest.param(("partly", "weighted", "geometric"), marks=pytest.mark.slow),
        pytest.param(("famo",), marks=pytest.mark.slow),
        pytest.param(("random",), marks=pytest.mark.slow),
        pytest.param(("partly", "sluice"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_two_processes_train_like_one(words: tuple[str, ...]) -> None:
    single = trained(words)
    first, second = found(*words)
    assert first == second
    for own, other in zip(single["history"], first["history"], strict=True):
        assert other["train_loss"] == pytest.approx(own["train_loss"], abs=1e-6)
        assert other["scores"] == pytest.approx(own["scores"], abs=1e-6)
    torch.testing.assert_close(
        torch.tensor(first["logits"]), torch.tensor(single["logits"]), atol=1e-6, rtol=0
    )


@pytest.fixture
def second_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(together, "single_process", lambda: False)


@pytest.mark.usefixtures("second_of_three")
@pytest.mark.parametrize(("rows", "part", "share"), [(9, 3, 1.0), (8, 3, 9 / 8), (1, 1, 0.0)])
def test_a_part_counts_by_its_rows(rows: int, part: int, share: float) -> None:
    (own,) = together.local_parts(iter([TRAIN.part(0, rows)]))
    assert (len(own), own.piece) == (part, (share, share, rows / 3))


def test_the_parts_of_a_batch_make_up_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(together, "single_process", lambda: False)
    parts: list[RowTensors] = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        parts += together.local_parts(iter([TRAIN.part(0, 50)]))
    assert torch.equal(torch.cat([part.dense for part in parts]), TRAIN.dense[:50])
    assert sum(part.piece.share for part in parts) == pytest.approx(3)


@pytest.mark.usefixtures("second_of_three")
def test_a_part_of_weighted_rows_has_two_shares() -> None:
    rows = replace(TRAIN.part(0, 3), weights=torch.tensor([1.0, 2.0, 5.0]))
    (own,) = together.local_parts(iter([rows]))
    assert own.piece == (3 * 2 / 8, 1.0, 1.0)


@pytest.mark.usefixtures("second_of_three")
def test_the_row_of_a_process_without_rows_has_no_label() -> None:
    rows = replace(TRAIN.part(0, 1), labels=TRAIN.labels[:1].float(), partly_labelled=True)
    (own,) = together.local_parts(iter([rows]))
    assert own.labels.isnan().all()
    assert own.piece == (0.0, 0.0, 1 / 3)
    taught = with_soft_targets(rows, torch.ones(1, 2), Distillation(0.5))
    (own,) = together.local_parts(iter([taught]))
    assert own.soft_targets is not None
    assert own.soft_targets.isnan().all()


@pytest.mark.usefixtures("second_of_three")
def test_only_the_first_process_writes_and_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text(tmp_path / "file", "text")
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "file").write_text("text")
    say("done")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_rules_that_compare_gradients_require_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emm.training.fit.single_process", lambda: False)
    with pytest.raises(ParamsError, match="compares whole gradients"):
        run(mmoe(), weighting={"rule": "pcgrad"})
