from pathlib import Path

import pytest
import torch
from torch import Tensor

from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.emm import EMM, VARIANTS
from emm.fusion.pool import Pool
from emm.nn.losses import multi_task_bce
from tests.fusion.conftest import INPUTS, make_pool
from tests.fusion.test_akf import plain_fusion
from tests.models.conftest import plain_chain, plain_front

KNOBS = {"embedding_dim": 2, "tower": [4], "dropout": 0.0}


def build(pool: Pool, tasks: int, variant: str = "paper") -> EMM:
    torch.manual_seed(1)
    model = EMM(INPUTS, tasks, variant=variant, pool=pool.describe(), **KNOBS)
    model.load_components(pool)
    return model


def rows(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    sparse = [torch.randint(0, c, (count,), generator=generator) for c in INPUTS.cardinalities]
    return torch.rand(count, 3, generator=generator), torch.stack(sparse, 1).int()


def step(model: EMM, tasks: int, count: int = 16) -> None:
    """One optimiser step on random labels."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
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
    for level, fusion in enumerate(model.fusion.levels):
        outputs = []
        for task in range(tasks):
            members = [n for n, m in enumerate(pool.members) if m.task == task]
            inputs = (dense, sparse) if level == 0 else (z[task],)
            made = [model.components.members[n][level](*inputs) for n in members]
            outputs.append(torch.stack(made, dim=1))
        z = list(plain_fusion(fusion, torch.stack(z, dim=1), outputs).unbind(1))
    expected = torch.cat(
        [plain_chain(model.fusion.towers.layers, z[task], task) for task in range(tasks)], dim=1
    )
    torch.testing.assert_close(model(dense, sparse), expected)


def trained_logits(pool: Pool, dense: Tensor, sparse: Tensor) -> list[Tensor]:
    """Each member's own logits [B, 1]."""
    logits = []
    for number, member in enumerate(pool.members):
        cut = member.build(INPUTS).to(dense.dtype).eval()
        cut.levels.load_state_dict(pool.part(number, "levels"))
        cut.tower.load_state_dict(pool.part(number, "tower"))
        logits.append(cut(dense, sparse))
    return logits


@pytest.mark.parametrize("count", [1, 5])
def test_aligned_starts_as_the_mean_of_its_trained_models_logits(
    pool: Pool, tasks: int, count: int
) -> None:
    model = build(pool, tasks, "aligned").double().eval()
    dense, sparse = rows(count)
    logits = trained_logits(pool, dense.double(), sparse)
    of_task = [[n for n, m in enumerate(pool.members) if m.task == t] for t in range(tasks)]
    expected = torch.cat([sum(logits[n] for n in own) / len(own) for own in of_task], dim=1)
    torch.testing.assert_close(model(dense.double(), sparse), expected)


@pytest.mark.parametrize("count", [1, 5])
def test_aligned_equals_a_plain_restatement(pool: Pool, tasks: int, count: int) -> None:
    model = build(pool, tasks, "aligned").double().eval()
    with torch.no_grad():
        for parameter in model.fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    dense, sparse = rows(count)
    dense = dense.double()
    x = plain_front(model.front, dense, sparse)
    read = torch.stack([x] * tasks, dim=1)
    of_task = [[n for n, m in enumerate(pool.members) if m.task == t] for t in range(tasks)]
    u: dict[int, tuple[Tensor, ...]] = dict.fromkeys(range(len(pool.members)), (dense, sparse))
    for level, fusion in enumerate(model.fusion.levels):
        h = {n: model.components.members[n][level](*u[n]) for n in u}
        z = plain_fusion(fusion, read, [torch.stack([h[n] for n in own], 1) for own in of_task])
        u = {n: (h[n] + z[:, pool.members[n].task],) for n in u}
    expected = torch.empty(count, tasks, dtype=torch.float64)
    for task, own in enumerate(of_task):
        gate = model.fusion.gates[task]
        for row in range(count):
            scores = (gate.weight @ x[row] + gate.bias).exp()
            logits = [model.fusion.towers[n](u[n][0][row : row + 1]).squeeze() for n in own]
            shares = scores / scores.sum()
            expected[row, task] = sum(s * y for s, y in zip(shares, logits, strict=True))
    torch.testing.assert_close(model(dense, sparse), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_frozen_weights_and_statistics_stay_bit_identical(
    pool: Pool, tasks: int, variant: str
) -> None:
    model = build(pool, tasks, variant)
    before = {key: value.clone() for key, value in model.components.state_dict().items()}
    for _ in range(3):
        step(model, tasks)
    after = model.components.state_dict()
    assert before
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_components_stay_in_eval_mode(pool: Pool, tasks: int) -> None:
    model = build(pool, tasks).train()
    assert model.training
    assert not any(module.training for module in model.components.modules())


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_every_trainable_parameter(pool: Pool, tasks: int, variant: str) -> None:
    model = build(pool, tasks, variant)
    # Parts that start at zero hold back what lies behind them for a step or two.
    for _ in range(3):
        step(model, tasks)
    # With two tasks there is one partner to choose, and the choice has nothing to learn.
    fixed = "selection" if tasks == 2 else "-"
    dead = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and fixed not in name and not parameter.grad.abs().sum() > 0
    ]
    assert dead == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_trained_weights_are_taken_over(pool: Pool, tasks: int, variant: str) -> None:
    model = build(pool, tasks, variant)
    for number, levels in enumerate(model.components.members):
        expected = pool.part(number, "levels")
        assert all(torch.equal(v, expected[k]) for k, v in levels.state_dict().items())
    if variant == "aligned":
        for number, tower in enumerate(model.fusion.towers):
            expected = pool.part(number, "tower")
            assert all(torch.equal(v, expected[k]) for k, v in tower.state_dict().items())


def test_a_variant_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2)
    with pytest.raises(ParamsError, match="did you mean 'aligned'"):
        EMM(INPUTS, 2, variant="alined", pool=pool.describe(), **KNOBS)


def test_tensors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2)
    model = EMM(INPUTS, 2, variant="paper", pool=pool.describe(), **KNOBS)
    key = next(iter(pool.tensors))
    broken = Pool(
        pool.members, {**pool.tensors, key: torch.zeros(1)}, pool.tasks, pool.schema_sha256, 0
    )
    with pytest.raises(ModelFileError, match="don't fit"):
        model.load_components(broken)


def test_a_task_without_a_trained_model_is_an_error(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2)
    with pytest.raises(ParamsError, match="none for task 3"):
        EMM(INPUTS, 3, variant="paper", pool=pool.describe(), **KNOBS)


def test_one_task_alone_is_an_error(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 1)
    with pytest.raises(ParamsError, match="two tasks or more"):
        EMM(INPUTS, 1, variant="paper", pool=pool.describe(), **KNOBS)


def test_an_unknown_architecture_is_an_error(tmp_path: Path) -> None:
    pool = [{**member, "architecture": "os"} for member in make_pool(tmp_path, 2).describe()]
    with pytest.raises(ModelFileError, match="unknown architecture"):
        EMM(INPUTS, 2, variant="paper", pool=pool, **KNOBS)


def test_a_damaged_description_is_an_error(tmp_path: Path) -> None:
    pool = [{**make_pool(tmp_path, 2).describe()[0], "levels": 3}]
    with pytest.raises(ModelFileError, match=r"pool\[0\].levels: got 3"):
        EMM(INPUTS, 2, variant="paper", pool=pool, **KNOBS)
