from pathlib import Path

import pytest
import torch
from torch import Tensor

from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.emm import EMM
from emm.fusion.pool import Pool
from emm.nn.losses import multi_task_bce
from tests.fusion.conftest import INPUTS, make_pool
from tests.fusion.test_akf import plain_fusion
from tests.models.conftest import plain_chain, plain_front

KNOBS = {"embedding_dim": 2, "tower": [4], "dropout": 0.0}


def build(pool: Pool, tasks: int) -> EMM:
    torch.manual_seed(1)
    model = EMM(INPUTS, tasks, pool=pool.describe(), **KNOBS)
    model.load_components(pool)
    return model


def rows(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    sparse = [torch.randint(0, c, (count,), generator=generator) for c in INPUTS.cardinalities]
    return torch.rand(count, 3, generator=generator), torch.stack(sparse, 1).int()


def step(model: EMM, tasks: int, count: int = 16) -> None:
    """One optimiser step on random labels."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    logits = model.train()(*rows(count))
    labels = torch.randint(0, 2, (count, tasks)).float()
    multi_task_bce(logits, labels).backward()
    optimiser.step()


@pytest.mark.parametrize("count", [1, 5])
def test_it_equals_a_plain_restatement_of_algorithm_2(pool: Pool, tasks: int, count: int) -> None:
    model = build(pool, tasks).double().eval()
    dense, sparse = rows(count)
    dense = dense.double()
    x = plain_front(model.front, dense, sparse)
    z = [x] * tasks
    for level, fusion in enumerate(model.fusions):
        outputs = []
        for task in range(tasks):
            members = [n for n, m in enumerate(pool.members) if m.task == task]
            inputs = (dense, sparse) if level == 0 else (z[task],)
            made = [model.components.members[n][level](*inputs) for n in members]
            outputs.append(torch.stack(made, dim=1))
        z = list(plain_fusion(fusion, torch.stack(z, dim=1), outputs).unbind(1))
    expected = torch.cat(
        [plain_chain(model.towers.layers, z[task], task) for task in range(tasks)], dim=1
    )
    torch.testing.assert_close(model(dense, sparse), expected)


def test_frozen_weights_and_statistics_stay_bit_identical(pool: Pool, tasks: int) -> None:
    model = build(pool, tasks)
    before = {key: value.clone() for key, value in model.components.state_dict().items()}
    for _ in range(3):
        step(model, tasks)
    after = model.components.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert before.keys() == {f"members.{key}" for key in pool.tensors}


def test_components_stay_in_eval_mode(pool: Pool, tasks: int) -> None:
    model = build(pool, tasks).train()
    assert model.training
    assert not any(module.training for module in model.components.modules())


def test_gradients_reach_every_trainable_parameter(pool: Pool, tasks: int) -> None:
    model = build(pool, tasks)
    step(model, tasks)
    # With two tasks there is one partner to choose, and the choice has nothing to learn.
    fixed = "selection" if tasks == 2 else "-"
    dead = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and fixed not in name and not parameter.grad.abs().sum() > 0
    ]
    assert dead == []


def test_the_trained_weights_are_taken_over(pool: Pool, tasks: int) -> None:
    model = build(pool, tasks)
    taken = model.components.members.state_dict()
    assert all(torch.equal(taken[key], value) for key, value in pool.tensors.items())


def test_tensors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2)
    model = EMM(INPUTS, 2, pool=pool.describe(), **KNOBS)
    key = next(iter(pool.tensors))
    broken = Pool(
        pool.members, {**pool.tensors, key: torch.zeros(1)}, pool.tasks, pool.schema_sha256, 0
    )
    with pytest.raises(ModelFileError, match="don't fit"):
        model.load_components(broken)


def test_a_task_without_a_trained_model_is_an_error(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2)
    with pytest.raises(ParamsError, match="none for task 3"):
        EMM(INPUTS, 3, pool=pool.describe(), **KNOBS)


def test_one_task_alone_is_an_error(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 1)
    with pytest.raises(ParamsError, match="two tasks or more"):
        EMM(INPUTS, 1, pool=pool.describe(), **KNOBS)


def test_a_damaged_description_is_an_error(tmp_path: Path) -> None:
    pool = [{**make_pool(tmp_path, 2).describe()[0], "levels": 3}]
    with pytest.raises(ModelFileError, match=r"pool\[0\].levels: got 3"):
        EMM(INPUTS, 2, pool=pool, **KNOBS)
