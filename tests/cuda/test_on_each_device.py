"""The same on a GPU as on the CPU. The tests also run on the CPU, which tests the tests."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks import ali_ccp_rows as generated
from benchmarks.ali_ccp_models import build
from emm.data.tables.memory import open_splits
from emm.data.tables.rows import RowTensors
from emm.data.tables.stream import Stream
from emm.metrics.ranking import auc
from emm.training.devices import use_device
from emm.training.fit import Schedule, fit, predict, train_epoch
from emm.training.forward import forward_of
from emm.training.optimisers import Optimisation, Stepper
from emm.training.resume import _random_states
from emm.training.seeds import order_generator
from emm.training.vectorised import StackedModel, fit_vectorised
from emm.training.weighting import make_weighting
from tests.trees.forest import random_ensemble

IDS, ROWS, BATCH = 300, 600, 128
CPU = torch.device("cpu")
CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.cuda,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)
each_device = pytest.mark.parametrize("device", ["cpu", CUDA])
TRAIN, VALIDATION = generated.tensors(ROWS, IDS), generated.tensors(2 * ROWS, IDS).part(ROWS, 1200)


def trained(name: str, device: torch.device, precision: str = "float32", **how: Any) -> Tensor:
    """The losses [S, T] of an epoch's steps, in the order of the rows."""
    model = build(name, generated.inputs(IDS)).to(device)
    weighting = make_weighting(2).to(device)
    stepper = Stepper(model, [], Optimisation(0.01, 0.0, **how), 1)
    forward, losses = forward_of(model, precision), list[Tensor]()

    def recorded(batch: RowTensors) -> Any:
        found = forward(batch)
        losses.append(found.tasks.detach().cpu())
        return found

    batches = TRAIN.to(device).in_order(BATCH)
    train_epoch(model, TRAIN.to(device), batches, weighting, stepper, recorded)
    return torch.stack(losses)


@each_device
@pytest.mark.parametrize("name", ["mmoe", "ple", "emm"])
def test_training_is_that_of_the_cpu(device: str, name: str) -> None:
    found = trained(name, torch.device(device))
    torch.testing.assert_close(found, trained(name, CPU), atol=1e-3, rtol=1e-3)


@each_device
def test_lazy_adam_is_that_of_the_cpu(device: str) -> None:
    found = trained("mmoe", torch.device(device), optimiser="lazy-adam")
    expected = trained("mmoe", CPU, optimiser="lazy-adam")
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@each_device
@pytest.mark.parametrize("precision", ["bfloat16", "tf32"])
def test_lower_precision_is_near(device: str, precision: str) -> None:
    try:
        where = use_device(device, torch.get_num_threads(), tf32=precision == "tf32")
        found = trained("ple", where, precision)
    finally:
        use_device("cpu", torch.get_num_threads())
    torch.testing.assert_close(found, trained("ple", CPU), atol=0.03, rtol=0.03)


@each_device
def test_deterministic_training_has_the_same_bits(device: str) -> None:
    try:
        where = use_device(device, torch.get_num_threads(), deterministic=True)
        first, second = trained("mmoe", where), trained("mmoe", where)
    finally:
        use_device("cpu", torch.get_num_threads())
    assert torch.equal(first, second)


def fitted(model: nn.Module, device: torch.device, **changes: Any) -> list[float]:
    """The losses of the epochs of a run."""
    how = Schedule(Optimisation(0.01, 0.0), BATCH, 3, 3, **changes)
    rows, validation = TRAIN.to(device), VALIDATION.to(device)
    return [each.train_loss for each in fit(model, rows, validation, how, seed=0)]


@pytest.mark.parametrize("device", [CUDA])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.filterwarnings("ignore")  # of what torch.compile imports
def test_graphs_train_as_plain_steps_do(device: str, precision: str) -> None:
    found = []
    for compile_ in ("never", "always"):
        model = build("mmoe", generated.inputs(IDS)).to(device)
        losses = fitted(model, torch.device(device), compile=compile_, precision=precision)
        found.append(losses)
    tolerance = 1e-3 if precision == "float32" else 0.02
    assert found[1] == pytest.approx(found[0], abs=tolerance)


@each_device
def test_models_in_one_pass_are_those_trained_one_by_one(device: str) -> None:
    where = torch.device(device)
    models = [build("ple", generated.inputs(IDS), seed).to(where) for seed in (0, 1)]
    rows, validation = TRAIN.to(where), VALIDATION.to(where)
    stacked = [StackedModel(each, rows, validation, seed, ()) for seed, each in enumerate(models)]
    how = Schedule(Optimisation(0.01, 0.0), BATCH, 2, 2)
    together = [[each.train_loss for each in epochs] for epochs in fit_vectorised(stacked, how)]
    for seed, losses in enumerate(together):
        model = build("ple", generated.inputs(IDS), seed).to(where)
        own = fit(model, rows, validation, how, seed=seed)
        assert losses == pytest.approx([each.train_loss for each in own], abs=2e-3)


@each_device
def test_streamed_rows_reach_the_device(device: str, tmp_path: Path) -> None:
    generated.write(tmp_path, ROWS, IDS)
    where = torch.device(device)
    about = generated.schema(IDS)
    rows = open_splits(tmp_path, ["train"], about, where, memory_gib=1e-5)["train"]
    assert isinstance(rows, Stream)
    batches = list(rows.in_order(BATCH))
    for name in ("dense", "sparse", "labels"):
        found = torch.cat([getattr(batch, name) for batch in batches])
        assert found.device.type == where.type
        assert torch.equal(found.cpu(), getattr(TRAIN, name))
    shuffled = list(rows.shuffled(BATCH, order_generator(0, where)))
    total = torch.cat([batch.dense for batch in shuffled]).double().sum()
    assert float(total) == pytest.approx(float(TRAIN.dense.double().sum()))


@each_device
def test_scores_are_those_of_the_cpu(device: str) -> None:
    model = build("mmoe", generated.inputs(IDS))
    expected = predict(model, VALIDATION)
    found = predict(model.to(device), VALIDATION.to(torch.device(device)))
    torch.testing.assert_close(found.cpu(), expected, atol=1e-5, rtol=1e-4)
    labels = VALIDATION.labels[:, 0]
    area = auc(expected[:, 0].to(device), labels.to(device))
    assert area == auc(expected[:, 0], labels)


@each_device
def test_trees_walk_to_the_same_leaves(device: str) -> None:
    trees = random_ensemble(20, 31, 0)
    dense, sparse = torch.randn(300, 2), torch.randint(0, 5, (300, 3), dtype=torch.int32)
    expected = trees(dense, sparse)
    found = trees.to(device)(dense.to(device), sparse.to(device))
    torch.testing.assert_close(found.cpu(), expected, atol=1e-6, rtol=1e-6)


@each_device
def test_random_numbers_go_on_from_a_checkpoint(device: str) -> None:
    where = torch.device(device)
    saved = _random_states(where)
    first = torch.rand(3, device=where)
    torch.set_rng_state(saved["cpu"])
    if where.type == "cuda":
        torch.cuda.set_rng_state(saved["cuda"], where)
    assert torch.equal(first, torch.rand(3, device=where))
