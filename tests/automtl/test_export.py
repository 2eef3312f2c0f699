"""The exported model equals the supernet with all choices and gates decided."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from emm.automtl.cost import Meter, operation_meter, parameter_meter
from emm.automtl.discretise import likeliest, most_certain, open_choices
from emm.automtl.export import decide
from emm.automtl.network import AutoMTL
from emm.automtl.space import IDENTITY
from emm.automtl.supernet import Supernet
from emm.core.errors import ParamsError
from emm.nn.mlp import count_parameters
from tests.automtl.tiny import batch, exported, supernet

SEEDS = range(6)


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
