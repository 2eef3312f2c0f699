"""The ways of the authors' code that the search offers besides its own."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from emm.automtl.discretise import most_certain, open_choices
from emm.automtl.search import _epoch, phases
from emm.automtl.state import fix_until, rows_of, take_step
from tests.automtl.test_search import CONTEXT, SETTINGS, a_search, first_batch, outcome, values


def test_with_one_fold_both_learn_on_all_rows() -> None:
    rows = rows_of(CONTEXT.train, replace(SETTINGS, folds=1))
    assert [len(each) for each in rows.values()] == [150, 150]


def test_a_step_of_both_is_that_of_each_on_the_same_batch() -> None:
    after = []
    for names in (("weights",), ("architecture",), ("weights", "architecture")):
        state = a_search(selection_weight=0.1)
        torch.manual_seed(0)  # of the gates
        take_step(state, first_batch(state), *names)
        after.append(values(state))
    weights, architecture, both = after
    assert any(not torch.equal(weights[key], architecture[key]) for key in both)
    for key, value in both.items():
        own = architecture if "beta" in key or "alpha" in key else weights
        torch.testing.assert_close(value, own[key])


def test_a_search_with_one_fold_has_one_loss_for_both() -> None:
    history = outcome(folds=1).history
    assert [epoch["architecture_loss"] for epoch in history[1:]] == [
        epoch["train_loss"] for epoch in history[1:]
    ]


@pytest.mark.parametrize(
    ("until", "expected"),
    [("never", []), ("warm-up", ["warm-up"]), ("always", ["warm-up", "joint", "discretise"])],
)
def test_gates_are_open_until_the_phase_that_the_setting_names(
    until: Any, expected: list[str]
) -> None:
    state, seen = a_search(open_gates=until, discretised=4), []
    for number, phase in enumerate(phases(state.settings, 4), start=1):
        _epoch(state, CONTEXT, number, phase)
        gates = state.supernet.train().selections()
        if all(bool((each == 1).all()) for each in (*gates[:2], *gates.experts)):
            seen.append(phase)
    assert seen == expected


@pytest.mark.parametrize(("certainty", "number"), [("weight", 1), ("entropy", 0)])
def test_the_measure_of_certainty_decides_which_choice_is_fixed(
    certainty: Any, number: int
) -> None:
    # The largest weights are .60 and .62, the entropies .68 and .92.
    supernet = a_search().supernet
    with torch.no_grad():
        for choice, weights in zip(
            open_choices(supernet).values(),
            ([0.599, 0.4, 0.001], [0.62, 0.19, 0.19], [0.4, 0.3, 0.3], [0.4, 0.3, 0.3]),
            strict=True,
        ):
            choice.alpha.copy_(torch.tensor(weights).log())
    place = list(open_choices(supernet))[number]
    assert most_certain(supernet, certainty=certainty) == (place, "identity")


def test_the_certainty_of_the_settings_is_used() -> None:
    state = a_search(certainty="entropy")
    with torch.no_grad():
        for choice, weights in zip(
            open_choices(state.supernet).values(),
            ([0.62, 0.19, 0.19], [0.599, 0.4, 0.001], [0.4, 0.3, 0.3], [0.4, 0.3, 0.3]),
            strict=True,
        ):
            choice.alpha.copy_(torch.tensor(weights).log())
    expected, _ = most_certain(state.supernet, certainty="entropy")
    fix_until(state, 1)
    assert expected not in open_choices(state.supernet)


def test_weight_decay_of_the_architecture_is_that_of_its_optimiser() -> None:
    optimiser = a_search(architecture_weight_decay=0.25).optimisers["architecture"]
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.25]
