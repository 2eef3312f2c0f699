"""The ladder: each step is taken where it helps, and left out where it doesn't."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emm.data.tables.schema import REGRESSION
from emm.fusion.settings import StackingSettings
from emm.fusion.stacking.fits import predictions
from emm.fusion.stacking.ladder import Stack, gain_of, stack
from emm.fusion.stacking.rows import TaskRows
from tests.fusion.stacking.generated import INPUTS, any_rows, features, noise, rows

COUNT = 6000


def climbed(own: TaskRows, **settings: object) -> Stack:
    return stack(own, INPUTS, StackingSettings(**settings))  # type: ignore[arg-type]


def taken(found: Stack) -> list[str]:
    return [record.step for record in found.steps if record.taken]


def alike() -> TaskRows:
    """Members that know the same, each with its own noise."""
    truth = 2 * noise(COUNT)
    members = [truth + 0.5 * noise(COUNT, seed=seed) for seed in (2, 3)]
    return rows(torch.stack(members, 1), truth)


def test_the_average_of_alike_members_stays() -> None:
    found = climbed(alike())
    assert taken(found) == ["average"]
    assert found.residual is None
    assert found.combination.weight[0] == found.combination.weight[1]


def test_a_member_of_noise_loses_its_weight() -> None:
    truth = 2 * noise(COUNT)
    own = rows(torch.stack([truth, 2 * noise(COUNT, seed=4)], 1), truth)
    found = climbed(own, steps=("weights",))
    assert taken(found) == ["average", "weights"]
    torch.testing.assert_close(
        found.combination.weight.detach(), torch.tensor([1.0, 0.0]), atol=0.1, rtol=0
    )


def test_members_of_different_rows_get_a_gate() -> None:
    truth = 2 * noise(COUNT)
    first = features(COUNT)[1][:, 0] == 0
    members = [
        torch.where(first, truth, noise(COUNT, seed=2)),
        torch.where(first, noise(COUNT, seed=3), truth),
    ]
    own = rows(torch.stack(members, 1), truth)
    found = climbed(own, steps=("weights", "gate"))
    assert "gate" in taken(found)
    weights = found.combination.weights(own.dense, own.sparse)
    assert (weights[first].argmax(1) == 0).all()
    assert (weights[~first].argmax(1) == 1).all()


def test_what_no_member_knows_is_corrected() -> None:
    known = 2 * noise(COUNT)
    dense, _ = features(COUNT)
    truth = known + torch.where(dense[:, 0] > 0.3, 2.0, -2.0) * torch.sign(dense[:, 1] - 0.5)
    found = climbed(rows(known.unsqueeze(1), truth))
    assert "residual" in taken(found)
    assert found.residual is not None


def test_a_regression_climbs_too() -> None:
    truth = 2 * noise(COUNT)
    own = rows(torch.stack([truth, noise(COUNT, seed=4)], 1), truth, kind=REGRESSION)
    assert "weights" in taken(climbed(own, steps=("weights",)))


def test_other_tasks_join_where_they_help() -> None:
    truth = 2 * noise(COUNT)
    own = rows((truth + 2 * noise(COUNT, seed=5)).unsqueeze(1), truth)
    useful = climbed(replace(own, others=truth.unsqueeze(1)), steps=("weights",))
    assert taken(useful) == ["average", "weights"]
    assert useful.combination.weight[1] > useful.combination.weight[0]
    useless = climbed(replace(own, others=noise(COUNT, 1, seed=6)), steps=("weights",))
    assert useless.combination.weight[1].abs() < 0.05


def test_the_average_is_that_of_the_tasks_own_members() -> None:
    own = alike()
    with_others = replace(own, others=noise(COUNT, 2, seed=7))
    alone, joined = climbed(own, steps=()), climbed(with_others, steps=())
    torch.testing.assert_close(joined.combination.weight[:2], alone.combination.weight)
    assert not joined.combination.weight[2:].any()


def test_few_rows_need_twice_the_error() -> None:
    truth = 2 * noise(COUNT)
    own = rows(torch.stack([truth, truth + 0.9 * noise(COUNT, seed=4)], 1), truth)
    for count in (200, 400, 800):
        record = climbed(own.at(torch.arange(count)), steps=("weights",)).steps[1]
        assert record.taken == (record.gain > 2 * record.error)


def test_few_rows_only_try_the_weights() -> None:
    own = any_rows("binary", 400)
    assert [record.step for record in climbed(own).steps] == ["average", "weights"]
    more = climbed(own, few_rows=1)
    assert [record.step for record in more.steps] == ["average", "weights", "gate", "residual"]


def test_the_stack_predicts_what_its_parts_add_up_to() -> None:
    own = alike()
    found = climbed(own, steps=("weights",))
    mean = own.logits.mean(1)
    ours = predictions(found.combination, own)[:, 0]
    assert np.corrcoef(ours.numpy(), mean[:, 0].numpy())[0, 1] == pytest.approx(1)


def test_the_error_of_a_gain_counts_groups() -> None:
    own = any_rows("binary", 60)
    before, after = noise(60, 1, seed=7), noise(60, 1, seed=8)
    own = replace(own, groups=torch.arange(60) // 3)
    gain, error = gain_of(own, before, after)
    falls = (own.losses(before) - own.losses(after)).double().numpy()
    sums = [sum(falls[n] - falls.mean() for n in range(3 * g, 3 * g + 3)) for g in range(20)]
    assert gain == pytest.approx(falls.mean())
    assert error == pytest.approx(np.sqrt(np.square(sums).sum()) / 60)
