"""What runs on CUDA only, as far as a machine without it can tell.

On the device "meta", tensors have no values, and a tensor left on another device is an error, as on
CUDA. Fake tensors claim to be on CUDA, but few operations work without it. The rest is recorded.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.ali_ccp_models import build
from benchmarks.ali_ccp_rows import inputs as fused_inputs
from emm.data.tables.loading import Columns
from emm.data.tables.rows import RowTensors
from emm.data.tables.stream import Stream
from emm.models import model_class
from emm.nn import kernels
from emm.nn.embedding import EmbeddingTable
from emm.nn.inputs import Inputs
from emm.training import compiling, devices, distributed, fingerprint, resume
from emm.training.compiling import TIMED, WARM_UP, choose_forward, compiled
from emm.training.forward import Losses, forward_of
from emm.training.weighting import make_weighting
from emm.trees import sums
from tests.training.fitting import TRAIN, mmoe

CUDA, META = torch.device("cuda"), torch.device("meta")
INPUTS = Inputs(dense=2, cardinalities=(5, 7), edges=((0.2, 0.5), (0.1, 0.9)))
FUNNEL = {"funnel": (0, 1)}
MODELS: dict[str, dict[str, Any]] = {
    "single_task": {},
    "tabm": {},
    "dcnv2": {},
    "realmlp": {},
    "ft_transformer": {},
    "shared_bottom": {},
    "mmoe": {},
    "ple": {},
    "aitm": FUNNEL,
    "adatt": {},
    "esmm": FUNNEL,
    "escm2": FUNNEL,
    "stem": {},
    "cross_stitch": {},
    "sluice": {},
    "home": {},
    "resflow": FUNNEL,
    "ektm": {},
}


def fresh(name: str) -> tuple[nn.Module, Inputs]:
    if name == "emm":
        return build("emm", fused_inputs(100)), fused_inputs(100)
    return model_class(name)(INPUTS, 2, **MODELS[name]), INPUTS


def moved(model: nn.Module, device: torch.device) -> nn.Module:
    """All weights and buffers on ``device``, without their values; other tensors stay behind."""
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            empty = torch.empty(weight.shape, device=device)
            setattr(module, name, nn.Parameter(empty, requires_grad=weight.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=device))
    return model


def rows(inputs: Inputs, device: torch.device) -> RowTensors:
    return RowTensors(
        torch.empty(8, inputs.dense, device=device),
        torch.empty(8, inputs.sparse, dtype=torch.int32, device=device),
        torch.empty(8, 2, dtype=torch.uint8, device=device),
    )


@pytest.mark.parametrize("name", [*MODELS, "emm"])
def test_a_step_and_a_prediction_stay_on_their_device(name: str) -> None:
    model, inputs = fresh(name)
    model = moved(model, META).train()
    weighting = make_weighting(2, rule="uncertainty").to(META)
    batch = rows(inputs, META)
    losses = forward_of(model)(batch)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    weighting.backward(losses.tasks, weights, losses.penalty, losses.present)
    grads = [weight.grad for weight in weights if weight.grad is not None]
    assert len(grads) >= 0.9 * len(weights)
    assert {grad.device for grad in grads} == {META}
    with torch.no_grad():
        assert model.eval()(*batch.inputs).device == META


def test_a_tensor_on_another_device_is_noticed() -> None:
    model: Any = moved(mmoe(), META)
    model.front.table.offsets = torch.zeros(1, dtype=torch.int32)
    with pytest.raises(RuntimeError, match="device"):
        forward_of(model)(rows(Inputs(2, (3,)), META))


def test_embeddings_on_cuda_use_its_own_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list[Tensor]()
    own: Callable[..., Tensor] = nn.functional.embedding

    def recorded(*words: Any, **more: Any) -> Tensor:
        found.append(own(*words, **more))
        return found[-1]

    monkeypatch.setattr(nn.functional, "embedding", recorded)
    with FakeTensorMode(), torch.no_grad():
        on_cuda: Any = SimpleNamespace(
            offsets=torch.empty(2, dtype=torch.int32, device=CUDA),
            weight=torch.empty(7, 2, device=CUDA),
            lazy=False,
        )
        ids = torch.empty(5, 2, dtype=torch.int32, device=CUDA)
        shape = EmbeddingTable.forward(on_cuda, ids).shape
    assert shape == (5, 2, 2)
    assert [each.is_cuda for each in found] == [True]


def test_steps_compiled_for_cuda_keep_its_own_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with FakeTensorMode():
        assert kernels.compiled_on_cpu(torch.empty(1))
        assert not kernels.compiled_on_cpu(torch.empty(1, device=CUDA))


@pytest.mark.parametrize(
    ("device", "mode", "marks"), [("cuda", "reduce-overhead", 2), ("cpu", None, 0)]
)
def test_steps_on_cuda_are_graphs(
    monkeypatch: pytest.MonkeyPatch, device: str, mode: str | None, marks: int
) -> None:
    modes, marked = list[Any](), list[bool]()
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda _: None)
    monkeypatch.setattr(torch, "compile", lambda plain, **how: modes.append(how["mode"]) or plain)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: marked.append(True))
    step = compiled(lambda _: Losses(torch.zeros(2)), torch.device(device))
    step(TRAIN)
    step(TRAIN)
    assert modes == [mode]
    assert len(marked) == marks


def test_steps_on_cuda_are_timed_when_they_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = list[torch.device]()
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(compiling, "_cost", compiling._Cost(0.0))

    def step(_: RowTensors) -> Losses:
        return Losses(torch.zeros(2))

    chosen = choose_forward(
        step, "auto", batch_size=len(TRAIN), steps=10**6, device=CUDA, make=lambda *_: step
    )
    for _ in range(2 * (WARM_UP + TIMED) + 5):
        chosen(TRAIN)
    assert waited == [CUDA] * 4  # before and after plain steps, and compiled ones


def test_precision_on_cuda_is_that_of_its_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = list[tuple[Any, ...]]()

    def autocast(*words: Any) -> Any:
        kinds.append(words)
        return torch.no_grad()

    monkeypatch.setattr(torch, "autocast", autocast)
    forward_of(moved(mmoe(), META), "bfloat16")(rows(Inputs(2, (3,)), META))
    forward_of(moved(mmoe(), META), "tf32")(rows(Inputs(2, (3,)), META))
    assert kinds == [("meta", torch.bfloat16)]


def test_settings_of_cuda_are_made_before_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        devices.use_device("cpu", torch.get_num_threads(), deterministic=True, tf32=True)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        devices.use_device("cpu", torch.get_num_threads())
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    assert torch.get_float32_matmul_precision() == "highest"


def test_sums_of_trees_elsewhere_than_on_the_cpu() -> None:
    leaves = torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(sums._by_index(leaves, 2, 4), sums.by_level(leaves, 2, 4))
    assert sums.by_level(leaves.to(META), 2, 4).device == META


def test_each_process_of_a_machine_has_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = list[torch.device]()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert devices.device_of_process(CUDA) == torch.device("cuda:1")
    assert chosen == [torch.device("cuda:1")]
    # A GPU that is named, and a CPU, stay.
    assert devices.device_of_process(torch.device("cuda:0")) == torch.device("cuda:0")
    assert devices.device_of_process(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.delenv("LOCAL_RANK")
    assert devices.device_of_process(CUDA) == CUDA


@pytest.mark.parametrize(("device", "backend"), [("cuda", "nccl"), ("cpu", "gloo")])
def test_processes_on_cuda_meet_by_nccl(
    monkeypatch: pytest.MonkeyPatch, device: str, backend: str
) -> None:
    met = list[str]()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda name, **_: met.append(name))
    distributed.join_processes(torch.device(device))
    assert met == [backend]


def test_the_gpu_is_one_of_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[str]()
    for name in ("H200", "H200", "A100"):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _, name=name: name)
        seen.append(fingerprint.fingerprint(CUDA, {}, [], [])["versions"])
    assert seen[0] == seen[1] != seen[2]


def test_a_checkpoint_has_the_random_numbers_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.arange(4, dtype=torch.uint8)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: state)
    assert resume._random_states(CUDA)["cuda"] is state
    assert set(resume._random_states(torch.device("cpu"))) == {"cpu"}
    put = list[Tensor]()
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda found, _: put.append(found))
    monkeypatch.setattr(torch, "set_rng_state", lambda _: None)
    run = MagicMock()  # whose sums are on a GPU
    run.loss_sums.is_cuda = True
    run.loss_sums.device = torch.device("cpu")
    saved = defaultdict[str, Tensor](lambda: torch.zeros(1), {"random/cuda": state})
    resume._restore_unfinished(run, saved, MagicMock())
    assert put == [state]


def test_rows_for_cuda_are_read_into_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[bool]()

    def empty(_: Columns, count: int, *, pinned: bool = False) -> RowTensors:
        asked.append(pinned)
        return TRAIN.part(0, count)

    monkeypatch.setattr(Columns, "empty", empty)
    file: Any = SimpleNamespace(columns=Columns(("a",), ()), read=lambda *_: None)
    for on_gpu in (True, False):
        stream: Any = SimpleNamespace(file=file, index=None, labels=SimpleNamespace(is_cuda=on_gpu))
        Stream._read(stream, [(0, 3)])
    assert asked == [True, False]


def test_pinned_memory_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    own: Callable[..., Tensor] = torch.empty
    pinned = list[bool]()

    def empty(*shape: int, pin_memory: bool = False, **more: Any) -> Tensor:
        pinned.append(pin_memory)
        return own(*shape, **more)

    monkeypatch.setattr(torch, "empty", empty)
    Columns(("a",), ("b",), ("t",)).empty(3, pinned=True)
    assert pinned == [True] * 3
