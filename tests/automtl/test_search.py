"""The search, on a tiny dataset."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from emm.automtl import checkpoint
from emm.automtl.discretise import likeliest, most_certain, open_choices
from emm.automtl.network import AutoMTL
from emm.automtl.search import Outcome, phases, search
from emm.automtl.settings import Budget, SearchSettings
from emm.automtl.state import SearchState, fix_until, rows_of, start, take_step
from emm.core.errors import DataError, ParamsError
from emm.training.store import load_model, save_model
from tests.training.tiny import IDENTITY, make_context

CONTEXT = make_context()
SETTINGS = SearchSettings(
    batch_size=32, warm_up=1, joint=1, discretised=3, architecture_learning_rate=0.05
)
ARGUMENTS: Mapping[str, Any] = {
    "embedding_dim": 2,
    "tower": (4,),
    "dropout": 0.1,
    "levels": 2,
    "experts": 2,
    "layers": 1,
    "width": 3,
    "operators": ("identity", "mlp-16", "mlp-32"),
}


def a_search(**changes: Any) -> SearchState:
    return start(CONTEXT, replace(SETTINGS, **changes), ARGUMENTS)


def first_batch(state: SearchState) -> Any:
    return next(state.rows["weights"].in_order(32))


def values(state: SearchState) -> dict[str, torch.Tensor]:
    return {name: each.detach().clone() for name, each in state.supernet.named_parameters()}


def moved(state: SearchState, *names: str) -> set[str]:
    """Names of the parameters that a step changes."""
    before = values(state)
    take_step(state, first_batch(state), *names)
    return {key for key, value in values(state).items() if not torch.equal(value, before[key])}


def test_phases_follow_each_other_until_no_choice_is_open() -> None:
    settings = SearchSettings(warm_up=2, joint=3, discretised=10)
    assert phases(settings, 24) == ["warm-up"] * 2 + ["joint"] * 3 + ["discretise"] * 3


def test_weights_and_architecture_learn_on_different_rows() -> None:
    numbered = replace(CONTEXT.train, dense=torch.arange(2.0 * len(CONTEXT.train)).view(-1, 2))
    rows = rows_of(numbered, replace(SETTINGS, folds=3))
    own, other = (set(each.dense[:, 0].tolist()) for each in rows.values())
    assert (len(own), len(other)) == (100, 50)
    assert own.isdisjoint(other)


def test_rows_of_a_group_are_in_the_same_half() -> None:
    groups = torch.arange(len(CONTEXT.train)).int() % 60
    for sample in (1.0, 0.7):
        rows = rows_of(replace(CONTEXT.train, groups=groups), replace(SETTINGS, sample=sample))
        own, other = (set(each.groups.tolist()) for each in rows.values())
        assert own
        assert other
        assert own.isdisjoint(other)


def test_a_sample_is_a_share_of_train() -> None:
    rows = rows_of(CONTEXT.train, replace(SETTINGS, sample=0.4))
    assert sum(len(each) for each in rows.values()) == 60


def test_a_step_of_the_weights_does_not_change_the_architecture() -> None:
    changed = moved(a_search(), "weights")
    assert changed
    assert not any("beta" in name or "alpha" in name for name in changed)


def test_a_step_of_the_architecture_does_not_change_the_weights() -> None:
    state = a_search()
    changed = moved(state, "architecture")
    architecture = {id(each) for each in state.supernet.architecture_parameters()}
    parameters = dict(state.supernet.named_parameters())
    assert {id(parameters[name]) for name in changed} <= architecture
    assert any(name.endswith("alpha") for name in changed)
    assert "beta_fields" in changed


def test_selection_weight_closes_useless_gates() -> None:
    free, dear = a_search(), a_search(selection_weight=1e6)
    for state in (free, dear):
        for _ in range(5):
            torch.manual_seed(0)
            take_step(state, first_batch(state), "architecture")
    assert bool((dear.supernet.beta_fields < 0).all())
    assert not bool((free.supernet.beta_fields < 0).all())


def test_the_most_certain_choice_is_fixed_to_its_most_likely_candidate() -> None:
    supernet = a_search().supernet
    places = list(open_choices(supernet))
    with torch.no_grad():
        for number, choice in enumerate(open_choices(supernet).values()):
            choice.alpha.copy_(torch.tensor([0.0, 0.1 * number, 0.0]))
        open_choices(supernet)[places[1]].alpha.copy_(torch.tensor([0.0, 0.2, 3.0]))
    assert most_certain(supernet) == (places[1], "mlp-32")


def test_fixing_removes_only_the_alternatives_of_that_choice() -> None:
    state = a_search()
    for _ in range(2):
        take_step(state, first_batch(state), "weights")
        take_step(state, first_batch(state), "architecture")
    before = {place: choice.names for place, choice in state.supernet.choices()}
    place, name = most_certain(state.supernet)
    fix_until(state, 1)
    after = {other: choice.names for other, choice in state.supernet.choices()}
    assert after == before | {place: (name,)}
    held = {id(p) for o in state.optimisers.values() for g in o.param_groups for p in g["params"]}
    assert held == {id(each) for each in state.supernet.parameters()}
    states = {id(each) for optimiser in state.optimisers.values() for each in optimiser.state}
    assert states <= held


def outcome(checkpoints: Path | None = None, **changes: Any) -> Outcome:
    return search(CONTEXT, replace(SETTINGS, **changes), ARGUMENTS, checkpoints)


def same(first: Outcome, second: Outcome) -> bool:
    return (
        first.found == second.found
        and first.history == second.history
        and first.weights.keys() == second.weights.keys()
        and all(torch.equal(first.weights[key], second.weights[key]) for key in first.weights)
    )


@pytest.fixture(scope="module")
def whole() -> Outcome:
    """An uninterrupted search."""
    return outcome()


def test_the_history_shows_how_the_supernet_shrinks(whole: Outcome) -> None:
    assert [epoch["phase"] for epoch in whole.history] == ["warm-up", "joint"] + ["discretise"] * 2
    assert [epoch["open_choices"] for epoch in whole.history] == [4, 4, 1, 0]
    assert [epoch["architecture_loss"] is None for epoch in whole.history] == [True] + [False] * 3


def test_the_same_seed_gives_the_same_search(whole: Outcome) -> None:
    assert same(outcome(), whole)


def test_the_found_model_can_be_stored_and_loaded(whole: Outcome, tmp_path: Path) -> None:
    from emm.automtl.space import plain

    arguments = {"embedding_dim": 2, "tower": [4], "dropout": 0.1}
    arguments["architecture"] = plain(whole.found.architecture)
    model = AutoMTL(CONTEXT.inputs, 2, **arguments)
    model.load_state_dict(dict(whole.weights))
    save_model(tmp_path, model, CONTEXT.describe("automtl", "automtl", arguments, 0))
    loaded, _ = load_model(tmp_path, IDENTITY)
    rows = first_batch(a_search())
    torch.testing.assert_close(loaded(*rows.inputs), model.eval()(*rows.inputs))


@pytest.mark.parametrize("epochs", [1, 3])
def test_an_interrupted_search_ends_with_the_same_result(
    epochs: int, whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = checkpoint.save

    def interrupt(*arguments: Any) -> None:
        save(*arguments)
        if len(arguments[2]["history"]) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        outcome(tmp_path)
    monkeypatch.undo()
    assert same(outcome(tmp_path), whole)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_other_settings_is_not_used(whole: Outcome, tmp_path: Path) -> None:
    state = a_search(seed=5)
    from emm.automtl.state import save

    save(state, tmp_path / "other")
    assert same(outcome(tmp_path), whole)


KILLED = """
import os, signal, sys
from pathlib import Path
from emm.automtl import checkpoint
from tests.automtl.test_search import outcome
save = checkpoint.save
def once(*arguments):
    save(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
checkpoint.save = once
outcome(Path(sys.argv[1]))
"""


def test_a_killed_search_resumes_to_the_same_bits(whole: Outcome, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    assert same(outcome(tmp_path), whole)


def test_a_damaged_checkpoint_is_ignored(whole: Outcome, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (folder,) = tmp_path.iterdir()
    (folder / checkpoint.TENSORS).write_bytes(b"cut")
    assert same(outcome(tmp_path), whole)


def test_a_search_under_a_budget_ends_within_it() -> None:
    limit = 260
    found = outcome(budget=Budget(parameters=limit))
    assert sum(value.numel() for value in weights_of(found)) <= limit


def weights_of(found: Outcome) -> list[torch.Tensor]:
    counted = ("running_mean", "running_var", "num_batches_tracked")
    return [value for key, value in found.weights.items() if not key.endswith(counted)]


def test_an_impossible_budget_is_an_error_before_training() -> None:
    with pytest.raises(ParamsError, match="no architecture"):
        outcome(budget=Budget(parameters=10))


def test_a_loss_that_is_not_a_number_is_an_error() -> None:
    with pytest.raises(DataError, match="not a number"):
        outcome(learning_rate=1e30)


def test_every_choice_has_a_most_likely_candidate() -> None:
    supernet = a_search().supernet
    assert set(likeliest(supernet)) == {place for place, _ in supernet.choices()}
