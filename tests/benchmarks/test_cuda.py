import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
import torch

from benchmarks import cuda, pages
from benchmarks.ali_ccp_models import SIZES, build
from benchmarks.ali_ccp_rows import DENSE, FIELDS, IDS, TASKS, cardinalities, inputs, tensors
from benchmarks.traffic import TrafficMode


def test_wheels_are_unpacked_into_one_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with ZipFile(tmp_path / f"{name}-1.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
    cuda.unpack(tmp_path, tmp_path / "site")
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["one", "two"]
    cuda.unpack(None, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_every_model_is_measured_in_every_way() -> None:
    parts = dict(cuda._parts())
    assert len(parts) == 2 + len(cuda._MODELS) * len(cuda._WAYS) + len(cuda._PEERS) + 1
    assert parts["ple compiled bfloat16"] == [
        "model",
        "ple",
        "--precision",
        "bfloat16",
        "--compile",
    ]


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("...\n12 passed, 3 skipped in 4.05s", {"passed": 12, "skipped": 3}),
        ("F\n1 failed, 2 passed, 1 warning in 1s", {"failed": 1, "passed": 2}),
        ("No module named pytest", {"error": "No module named pytest"}),
    ],
)
def test_outcomes_of_the_tests_are_counted(output: str, found: dict[str, Any]) -> None:
    assert cuda.counts(output) == found


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import sys; sys.exit('no GPU')", "no GPU"),
        ("import time; time.sleep(60)", "stopped after"),
    ],
)
def test_a_part_without_a_result_has_a_reason(
    monkeypatch: pytest.MonkeyPatch, code: str, error: str
) -> None:
    own = cuda.subprocess.run
    monkeypatch.setattr(
        cuda.subprocess, "run", lambda _, **how: own([sys.executable, "-c", code], **how)
    )
    monkeypatch.setattr(cuda, "_PART_SECONDS", 1)
    options: Any = SimpleNamespace(device="cpu", rows=1, ids=1, batch_size=1, seconds=1.0)
    assert error in cuda._run(["limits"], options, cuda.Clock(1))["error"]
    assert cuda._run(["limits"], options, cuda.Clock(0)) == {"error": "no time was left"}


def test_results_of_all_parts_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {f"{each}_flops": 1e12 for each in ("float32", "tf32", "bfloat16")}
    model = dict.fromkeys(
        ("training", "prediction", "flops_per_row", "bytes_per_row", "peak_gib"), 1e4
    )
    answers = {
        "limits": {**limits, "copy_bytes": 1e12},
        "model": model,
        "peer": {"training": 100.0},
        "seeds": {"1_seconds": 1.0, "5_seconds": 2.0},
    }

    def run(command: list[str], **_: Any) -> Any:
        if command[0] == "nvidia-smi":
            return SimpleNamespace(returncode=0, stdout="A GPU\n", stderr="")
        if "pytest" in command:
            return SimpleNamespace(returncode=1, stdout="x\n1 failed, 9 passed in 2s", stderr="")
        if "emm" in command and "tf32" in command:
            return SimpleNamespace(returncode=1, stdout="", stderr="Traceback\nError: boom\n")
        found = json.dumps(answers[command[3]])
        return SimpleNamespace(returncode=0, stdout=f"noise\n{found}\n", stderr="")

    monkeypatch.setattr(cuda.subprocess, "run", run)
    out = tmp_path / "gpu.json"
    options: Any = SimpleNamespace(device="cuda", rows=1, ids=1, batch_size=1, seconds=1.0, out=out)
    cuda._measure(options, cuda.Clock(1))
    results = json.loads(out.read_text())
    runs = results["cuda"]["runs"]
    assert list(runs) == [name for name, _ in cuda._parts()]
    assert runs["tests"] == {"failed": 1, "passed": 9}
    assert runs["emm compiled tf32"] == {"error": "Error: boom"}
    shown = pages.section("cuda", pages.cuda, {"gpu": results})
    assert "| MMoE, plain float32 | 10,000 | 10,000 | 100 |" in shown
    assert "| EMM, compiled tf32 | Error: boom |" in shown


def test_without_a_gpu_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(returncode=1, stdout="", stderr="error: no CUDA")
    monkeypatch.setattr(cuda.subprocess, "run", lambda *_, **__: failed)
    out = tmp_path / "gpu.json"
    options: Any = SimpleNamespace(device="cuda", rows=1, ids=1, batch_size=1, seconds=1.0, out=out)
    with pytest.raises(SystemExit, match="no CUDA"):
        cuda._measure(options, cuda.Clock(1))
    assert not out.exists()


def test_generated_rows_have_the_shape_of_ali_ccp() -> None:
    rows = tensors(500, 1000)
    sizes = cardinalities(1000)
    assert (rows.dense.shape, rows.sparse.shape) == ((500, DENSE), (500, FIELDS))
    assert rows.labels.shape == (500, len(TASKS))
    assert all(rows.sparse.amax(0) < torch.tensor(sizes))
    assert sum(cardinalities()) == pytest.approx(IDS, rel=1e-4)


@pytest.mark.parametrize("name", sorted(SIZES))
def test_models_read_the_generated_rows(name: str) -> None:
    rows = tensors(8, 100)
    assert build(name, inputs(100))(*rows.inputs).shape == (8, len(TASKS))


def test_bytes_read_and_written_are_counted() -> None:
    a, b = torch.zeros(4, 8), torch.zeros(8, 2)
    table, rows = torch.zeros(1000, 4), torch.tensor([1, 2])
    with TrafficMode() as traffic:
        torch.mm(a, b)  # reads 32 and 16 numbers, writes 8
        a.view(32)
        table.index_select(0, rows)  # reads and writes 8
    assert traffic.bytes == 4 * (32 + 16 + 8) + 4 * 2 * 8


def test_an_update_reads_and_writes() -> None:
    a, b = torch.zeros(8), torch.ones(8)
    with TrafficMode() as traffic:
        a.add_(b)
    assert traffic.bytes == 4 * (8 + 8 + 8)
    weight = torch.nn.Parameter(torch.zeros(8))
    weight.grad = torch.ones(8)
    optimiser = torch.optim.Adam([weight], fused=True)
    optimiser.step()
    with TrafficMode() as traffic:
        optimiser.step()
    # Weight, gradient and both moments are read, and the gradient isn't written; next to them,
    # numbers of steps.
    assert 4 * 7 * 8 <= traffic.bytes <= 4 * 8 * 8 + 64
