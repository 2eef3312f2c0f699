"""The exported model equals the supernet with all choices and gates decided."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from emm.automtl.cost import Meter, meters, operation_meter, parameter_meter
from emm.automtl.discretise import likeliest, most_certain, open_choices
from emm.automtl.export import decide
from emm.automtl.network import AutoMTL
from emm.automtl.settings import Budget
from emm.automtl.space import IDENTITY
from emm.automtl.supernet import Supernet
from emm.core.errors import ParamsError
from emm.nn.mlp import count_parameters
from tests.automtl.tiny import batch, exported, supernet

SEEDS = range(6)
WAYS: dict[str, dict[str, Any]] = {
    "no-stem": {"stem": False},
    "hidden-norm": {"operator_norm": "hidden"},
    "softmax-of-all": {"softmax": "all"},
    "all": {"stem": False, "operator_norm": "hidden", "softmax": "all"},
}
"""Of the authors' code."""


def one_hot(made: Supernet) -> None:
    """Give all weight of each choice to its most likely candidate."""
    for choice in open_choices(made).values():
        with torch.no_grad():
            choice.alpha.copy_(1e4 * torch.eye(len(choice.names))[choice.alpha.argmax()])


@pytest.mark.parametrize("encoding", ["scaled", "binned"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_supernet_with_one_hot_alpha_equals_the_exported_model(seed: int, encoding: str) -> None:
    made = supernet(seed, dense_encoding=encoding)
    one_hot(made)
    _, model = exported(made, dense_encoding=encoding)
    rows = batch()
    torch.testing.assert_close(model.eval()(*rows), made.eval()(*rows))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_supernet_with_fixed_choices_equals_the_exported_model(seed: int) -> None:
    made = supernet(seed)
    _, model = exported(made)
    for place, name in likeliest(made).items():
        dict(made.choices())[place].fix(name)
    rows = batch()
    torch.testing.assert_close(model.eval()(*rows), made.eval()(*rows))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_published_ways_are_exported_as_they_are_searched(seed: int, way: dict[str, Any]) -> None:
    made = supernet(seed, **way)
    _, model = exported(made, **way)
    one_hot(made)
    rows = batch()
    expected = made.eval()(*rows)
    torch.testing.assert_close(model.eval()(*rows), expected)
    for place, name in likeliest(made).items():
        dict(made.choices())[place].fix(name)
    torch.testing.assert_close(made(*rows), expected)


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_dense_features_without_gates_are_read_by_all_and_interact_with_none(seed: int) -> None:
    made = supernet(seed, dense_gates=False)
    fields, interactions, _ = made.selections()
    assert fields[:, :2].tolist() == [[1.0] * 2] * 3
    assert interactions[:, :2].tolist() == [[0.0] * 2] * 3
    for expert in exported(made)[0].architecture.levels[0]:
        assert expert.fields[:2] == (0, 1)
        assert not {0, 1} & set(expert.interactions)


def test_the_absent_gates_of_dense_features_do_not_learn() -> None:
    made = supernet(dense_gates=False)
    made(*batch()).square().sum().backward()
    gates = torch.stack([made.beta_fields.grad, made.beta_interactions.grad])  # type: ignore[list-item]
    assert gates[:, :, :2].count_nonzero() == 0
    assert gates[:, :, 2:].count_nonzero() > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_no_task_reads_is_exported(seed: int) -> None:
    found, model = exported(supernet(seed))
    levels = found.architecture.levels
    for number, level in enumerate(levels):
        read = {k for reader in found.architecture.receivers(number) for k in reader}
        assert read == set(range(len(level)))
    model(*batch())[:, :].sum().backward()
    unused = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert unused == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("encoding", ["scaled", "piecewise"])
def test_the_meters_count_what_evaluation_counts(seed: int, encoding: str) -> None:
    made = supernet(seed, dense_encoding=encoding)
    found, model = exported(made, dense_encoding=encoding)
    model.eval().requires_grad_(requires_grad=False)
    with FlopCounterMode(display=False) as counter:
        model(*batch(1))
    assert parameter_meter(made).exact(found.architecture) == count_parameters(model)
    assert operation_meter(made).exact(found.architecture) == counter.get_total_flops()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_the_meters_count_published_ways(seed: int, way: dict[str, Any]) -> None:
    made = supernet(seed, **way)
    found, model = exported(made, **way)
    model.eval().requires_grad_(requires_grad=False)
    with FlopCounterMode(display=False) as counter:
        model(*batch(1))
    assert parameter_meter(made).exact(found.architecture) == count_parameters(model)
    assert operation_meter(made).exact(found.architecture) == counter.get_total_flops()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_budget_of_published_ways_is_refused(way: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match="expected cost is known"):
        meters(supernet(**way), Budget(parameters=10_000))


def settled(made: Supernet) -> Supernet:
    """Make gates and operators almost certain."""
    with torch.no_grad():
        for parameter in made.architecture_parameters():
            parameter.mul_(1e6)
    return made


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("meter_of", [parameter_meter, operation_meter])
def test_without_uncertainty_the_expected_cost_is_exact(seed: int, meter_of) -> None:  # type: ignore[no-untyped-def]
    made = settled(supernet(seed, tasks=1, levels=1, experts=1))
    with torch.no_grad():
        made.beta_interactions.fill_(1e3)
        made.beta_fields[:, 0] = 1e3
        made.beta_experts[0].fill_(1e3)
    meter: Meter = meter_of(made)
    exact = meter.exact(decide(made, likeliest(made)).architecture)
    gate = meter.linear(meter.raw, 1, False)  # one reader of one expert has no gate
    torch.testing.assert_close(meter.expected(made).item(), float(exact + gate))


def test_the_expected_cost_falls_as_gates_close_and_identity_becomes_likely() -> None:
    made = supernet(1)
    meter = parameter_meter(made)
    cost = meter.expected(made)
    gradients = torch.autograd.grad(cost, [made.beta_fields, made.beta_experts[0]])
    assert all(bool((gradient >= 0).all()) for gradient in gradients)
    choice = next(iter(open_choices(made).values()))
    assert torch.autograd.grad(meter.expected(made), choice.alpha)[0][0] < 0


@pytest.mark.parametrize("share", [0.9, 0.6])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("meter_of", [parameter_meter, operation_meter])
def test_an_exported_architecture_is_within_its_budget(seed: int, share: float, meter_of) -> None:  # type: ignore[no-untyped-def]
    made = supernet(seed)
    meter: Meter = meter_of(made)
    free = meter.exact(decide(made, likeliest(made)).architecture)
    limits = [(meter, int(meter.fixed + share * (free - meter.fixed)))]
    for _ in open_choices(made):
        place, name = most_certain(made, limits)
        dict(made.choices())[place].fix(name)
    found = decide(made, likeliest(made), limits)
    assert meter.exact(found.architecture) <= limits[0][1]


def test_the_error_for_an_impossible_budget_names_the_smallest_possible() -> None:
    made = supernet()
    meter = parameter_meter(made)
    smallest = meter.fixed + meter.linear(made.embedding_dim, made.width, True)
    places = dict.fromkeys(likeliest(made), IDENTITY)
    with pytest.raises(ParamsError, match=str(smallest)):
        decide(made, places, [(meter, smallest - 1)])


def test_an_exported_model_has_only_parts_of_the_supernet() -> None:
    _, model = exported(supernet(2))
    names = {type(module).__name__ for module in model.modules()}
    assert isinstance(model, AutoMTL)
    assert "Choice" not in names
